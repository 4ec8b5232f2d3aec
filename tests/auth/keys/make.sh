#!/usr/bin/env bash
# Makes the keys and certificates that the tests use. They are public and worth nothing; the tests run without openssl.
set -euo pipefail
cd "$(dirname "$0")"

for name in rsa rsa-other; do openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key.pem; done
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa-weak.key.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key.pem
openssl genpkey -quiet -algorithm ED25519 -out ed.key.pem
for name in rsa rsa-other rsa-weak ec ed; do openssl pkey -in $name.key.pem -pubout -out $name.pub.pem; done
rm rsa-weak.key.pem

# A small authority, and two certificates for one name: the second is what the first is replaced by.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout ca.key.pem -out ca.pem -days 36500 \
  -subj "/CN=deskbell tests" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
for name in tls-1 tls-2; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout $name.key.pem -out $name.csr -subj "/CN=$name"
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key.pem -days 36500 -out $name.pem -extfile <(
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n')
  rm $name.csr
done
rm ca.key.pem

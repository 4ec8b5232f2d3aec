//! Signed tokens (JWS compact serialization, RFC 7515): parsing, and signatures by ring, which TLS uses as well.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::refusal::TokenRefusal;

/// The algorithms that are accepted (RFC 7518, RFC 8037, RFC 9864). `none` is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of RFC 7518")]
pub(super) enum Algorithm {
    Hs256,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    const NAMES: [(&str, Self); 11] = [
        ("HS256", Self::Hs256),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
        ("Ed25519", Self::EdDsa),
    ];

    /// The algorithm with this name in a token's header or in a JWK.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// A key that verifies signatures.
pub(super) enum VerificationKey {
    /// The hub's own secret, for HS256.
    Secret(hmac::Key),
    /// An RSA key: modulus and exponent, big-endian and without leading zeros.
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A P-256 key: an uncompressed point of 65 bytes.
    P256(Vec<u8>),
    /// A P-384 key: an uncompressed point of 97 bytes.
    P384(Vec<u8>),
    /// An Ed25519 key of 32 bytes.
    Ed25519(Vec<u8>),
}

impl VerificationKey {
    /// Whether the key works with this algorithm. A public key never works as a secret.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Hs256, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Secret(_) => algorithm == Hs256,
            Self::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => algorithm == Es256,
            Self::P384(_) => algorithm == Es384,
            Self::Ed25519(_) => algorithm == EdDsa,
        }
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            // The comparison takes constant time.
            Self::Secret(key) => algorithm == Algorithm::Hs256 && hmac::verify(key, message, signature).is_ok(),
            Self::Rsa(key) => {
                rsa_parameters(algorithm).is_some_and(|parameters| key.verify(parameters, message, signature).is_ok())
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Self::P384(point) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

/// The parts of a token's header that matter here. A header cannot bring its own key (`jwk`, `jku`, `x5u`).
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    /// Extensions that the verifier must support (RFC 7515, 4.1.11). This one supports none.
    crit: Option<Value>,
}

/// A parsed token. Its signature is not verified yet.
#[derive(Debug)]
pub(super) struct SignedToken<'t> {
    pub(super) header: Header,
    /// The claims. They may be forged until [`verify`](Self::verify) succeeds.
    pub(super) claims: Map<String, Value>,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> SignedToken<'t> {
    /// Parses the three parts of a token.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenRefusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
        let header: Header = json(header)?;
        if header.crit.is_some() {
            return Err(TokenRefusal::Malformed);
        }
        let UniqueClaims(claims) = json(claims)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenRefusal::Malformed)?;
        Ok(Self { header, claims, signed, signature })
    }

    /// Whether `key` verifies the signature.
    pub(super) fn verify(&self, algorithm: Algorithm, key: &VerificationKey) -> bool {
        key.verifies(algorithm, self.signed.as_bytes(), &self.signature)
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, TokenRefusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenRefusal::Malformed)
}

/// Claims without a repeated name. Of two values with one name another parser could use the other one, so such a token is
/// refused.
struct UniqueClaims(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueClaims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Claims;
        impl<'de> Visitor<'de> for Claims {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut claims = Map::new();
                while let Some((name, text)) = entries.next_entry::<String, Box<RawValue>>()? {
                    let value = match serde_json::from_str(text.get()) {
                        Ok(value) => value,
                        // A claim that is nested too deep counts as absent, because it cannot be one that is used here.
                        Err(error) if error.to_string().contains("recursion limit") => Value::Null,
                        Err(error) => return Err(serde::de::Error::custom(error)),
                    };
                    if claims.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a claim is repeated"));
                    }
                }
                Ok(claims)
            }
        }
        deserializer.deserialize_map(Claims).map(Self)
    }
}

/// Signs claims with HS256.
pub(super) fn sign(secret: &[u8], claims: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The examples of RFC 7515, A.1 (HS256) and RFC 8037, A.4 (EdDSA).
    #[test]
    fn the_examples_of_the_standards_verify() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                     Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        let token = SignedToken::parse(token).unwrap();
        assert_eq!(token.claims["iss"], "joe");
        let key = VerificationKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        assert!(token.verify(Algorithm::Hs256, &key));
        assert!(!token.verify(Algorithm::Rs256, &key));

        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let key = VerificationKey::Ed25519(decoded("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert!(key.verifies(Algorithm::EdDsa, signed.as_bytes(), &decoded(signature)));
        assert!(!key.verifies(Algorithm::EdDsa, b"another text", &decoded(signature)));
    }

    #[test]
    fn a_signed_token_is_parsed_and_verified() {
        let token = sign(b"secret", br#"{"sub":"ada"}"#);
        let token = SignedToken::parse(&token).unwrap();
        assert!(token.verify(Algorithm::Hs256, &VerificationKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, b"secret"))));
        for wrong in ["", ".", "..", "a.b", "a.b.c", "e30.e30.", "e30.W10.", "!.!.!"] {
            assert_eq!(SignedToken::parse(wrong).err(), Some(TokenRefusal::Malformed), "{wrong}");
        }
    }
}

#!/usr/bin/env bash
# Schemathesis makes valid and invalid requests from the OpenAPI document of a running hub, and holds the answers against it.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=4.32.5
tool=target/schemathesis/bin/schemathesis
if [ "$("$tool" --version 2>/dev/null | awk '{print $NF}')" != "$version" ]; then
  python3 -m venv target/schemathesis
  target/schemathesis/bin/pip install --quiet --disable-pip-version-check "schemathesis==$version"
fi

coproc HUB { exec target/debug/deskbell serve --memory --listen 127.0.0.1:0 2>target/schemathesis/hub.log; }
hub=$HUB_PID
trap 'kill "$hub" 2>/dev/null || true' EXIT
read -r -t 60 line <&"${HUB[0]}" || { cat target/schemathesis/hub.log; exit 1; }
url=${line##* }

# What a schema can say. That the ids of a body and of `Idempotency-Key` must agree, for example, it cannot: such requests are
# refused although they are valid by the schema, so there is no check that valid requests are accepted.
"$tool" run "$url/openapi.yaml" -u "$url" --seed 1 -n 20 --request-timeout 70 \
  -c not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance

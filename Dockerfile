# docker build -t deskbell .
# docker run -p 8080:8080 -v deskbell:/data -v ./jwt.secret:/run/jwt:ro -e DESKBELL_AUTH_SECRET_FILE=/run/jwt deskbell
#
# Other machines can reach a container's port, so the hub requires authentication (or DESKBELL_INSECURE=true).
# It runs as user 65532, which must be able to read the secret (chown 65532 jwt.secret) and all other mounted files.
FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY client-demo client-demo
# The hub embeds these files, or Cargo.toml names them.
COPY docs docs
COPY benches benches
COPY tests tests
RUN cargo build --release --locked --bin deskbell --bin deskbell-load && strip target/release/deskbell target/release/deskbell-load

FROM debian:trixie-slim
RUN install -d -o 65532 -g 65532 -m 0700 /data
COPY --from=build /build/target/release/deskbell /build/target/release/deskbell-load /usr/local/bin/
USER 65532:65532
ENV DESKBELL_LISTEN=0.0.0.0:8080 DESKBELL_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
# If the hub itself uses TLS: --no-healthcheck, and check /readyz from outside.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${DESKBELL_LISTEN##*:} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/deskbell"]

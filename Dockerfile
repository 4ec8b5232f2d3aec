# docker build -t deskbell .
# docker run -p 8080:8080 -v deskbell:/data -v ./jwt.secret:/run/jwt:ro -e DESKBELL_AUTH_SECRET_FILE=/run/jwt deskbell
#
# A container's port is reached by other machines, so the hub wants authentication (or DESKBELL_INSECURE=true).
# It is user 65532 and must be able to read the secret (chown 65532 jwt.secret), as what else is mounted.
FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY client-demo client-demo
# Embedded, or named by the manifest.
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
# Where the hub speaks TLS itself: --no-healthcheck, and ask /readyz from outside.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${DESKBELL_LISTEN##*:} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/deskbell"]

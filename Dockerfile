# usher's image: one static binary, the CA bundle, and nothing else. Build: docker build -t usher .
#
# Run it with settings by environment or by file, a policy at /config/policy.toml, secrets as files: see docs/operating.md.

FROM rust:1.95-slim-bookworm AS build
# It has gcc and libc's headers, which is all that the crypto library needs, and the CA bundle.
WORKDIR /build
# libc is linked in. A target of its own keeps these flags from build scripts and procedural macros.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN rustc -vV | sed -n 's/^host: //p' > /target-name

# The dependencies alone, so that a change of the sources does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests \
    && echo 'fn main() {}' | tee src/main.rs > tests/main.rs \
    && touch src/lib.rs \
    && cargo build --locked --release --bin usher --target "$(cat /target-name)" \
    && rm -rf src

COPY src src
COPY config/policy.toml config/policy.toml
# The time of the files counts, and those of the sources may be older than the stand-ins above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --locked --release --bin usher --target "$(cat /target-name)" \
    && cp "target/$(cat /target-name)/release/usher" /usher

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usher /usher
COPY config/policy.toml /config/policy.toml
# Beyond loopback, which is the container's own; the operator's listener stays there, for the health check.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    USHER__SERVER__LISTEN=0.0.0.0:8080 \
    USHER__OPS__LISTEN=127.0.0.1:9464
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usher", "healthcheck"]
ENTRYPOINT ["/usher"]
CMD ["serve"]

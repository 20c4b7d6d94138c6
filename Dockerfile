# karin in a container: docker build --tag karin . && docker run -p 127.0.0.1:9324:9324 -e KARIN_INSECURE=true -v karin:/var/lib/karin karin
# With KARIN_REDIS_URL it uses that Redis; without, it starts its own (target redis: a Redis with
# the module, see docker-compose.yml).

FROM rust:1.95-bookworm AS build
ARG REVISION=
WORKDIR /src
RUN apt-get update \
    && apt-get install --yes --no-install-recommends clang libclang-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make build install DESTDIR=/out PREFIX=/usr/local REVISION=$REVISION

# Redis with the module, as redis.conf says: its users, what it keeps, when it refuses.
FROM redis:7.4-bookworm AS redis
COPY --from=build /out/usr/local/lib/karin/libkarin.so /usr/lib/redis/modules/libkarin.so
COPY redis.conf /etc/redis/redis.conf
CMD ["redis-server", "/etc/redis/redis.conf", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/data"]

# karin, and the redis-server it starts where it is given none.
FROM debian:bookworm-slim AS karin
ARG REVISION=
LABEL org.opencontainers.image.title="karin" \
    org.opencontainers.image.description="Amazon SQS on Redis, and the trigger that invokes Lambda functions" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.licenses="MIT"
# tini: functions may leave processes behind that nobody else would collect.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates redis-server tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/karin --no-create-home karin \
    && install --directory --mode=0700 --owner=karin --group=karin /var/lib/karin
COPY --from=build /out/usr/local /usr/local
ENV KARIN_LISTEN=0.0.0.0:9324 \
    KARIN_DATA_DIR=/var/lib/karin \
    KARIN_SHUTDOWN_GRACE=5
USER 10001:10001
WORKDIR /var/lib/karin
VOLUME /var/lib/karin
EXPOSE 9324
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["karin", "health"]
ENTRYPOINT ["tini", "--", "karin"]

# For platforms whose volumes only root can write at first: makes the data directory karin's, and
# becomes karin.
FROM karin AS volume
USER root
ENTRYPOINT ["tini", "--", "sh", "-c", "install --directory --mode=0700 --owner=karin --group=karin \"$KARIN_DATA_DIR\" && exec setpriv --reuid=karin --regid=karin --init-groups karin \"$@\"", "karin"]

# What is built when no target is named.
FROM karin

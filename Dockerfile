# Plain Dockerfile syntax throughout: Heroku's builder, buildah and old Docker
# versions know neither RUN --mount nor the platform arguments of BuildKit.
ARG GO_VERSION=1.26

FROM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
# Where the public module proxy is out of reach, set GOPROXY with --build-arg.
ARG GOPROXY
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The build sees no .git: `make image` says what it is, Heroku what it was pushed.
ARG VERSION
ARG COMMIT
ARG DATE
ARG SOURCE_VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w \
    -X geogate/internal/command.version=${VERSION} \
    -X geogate/internal/command.commit=${COMMIT:-$SOURCE_VERSION} \
    -X geogate/internal/command.date=${DATE:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}" -o /out/geogate .

# The image for Compose, Kubernetes and the like: the binary, the certificates
# that it verifies servers with, and nothing else.
#     docker build --target geogate .
FROM scratch AS geogate
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/geogate /bin/geogate
USER 65532:65532
ENTRYPOINT ["/bin/geogate"]
CMD ["serve"]

# Heroku builds the last stage. It starts run.web of heroku.yml, and every
# `heroku run`, with /bin/sh -c, and passes those words to an entrypoint if there
# is one. So this image has a shell and no entrypoint.
FROM geogate AS heroku
COPY --from=busybox:stable-musl /bin/busybox /bin/sh
ENTRYPOINT []
CMD ["/bin/geogate", "serve"]

# Plain Dockerfile syntax throughout: Heroku's builder, buildah and old Docker
# versions know neither RUN --mount nor the platform arguments of BuildKit.
ARG GO_VERSION=1.26

FROM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
# Set GOPROXY by --build-arg where the public module proxy is out of reach.
ARG GOPROXY
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X geogate/internal/command.version=${VERSION}" -o /out/geogate .

# The image for Compose, Kubernetes and the like: the binary, the certificates
# that it checks servers against, and nothing else.
#     docker build --target geogate .
FROM scratch AS geogate
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/geogate /bin/geogate
USER 65532:65532
ENTRYPOINT ["/bin/geogate"]
CMD ["serve"]

# The last stage is the one that Heroku builds. Heroku starts run.web of
# heroku.yml, and every `heroku run`, by /bin/sh -c, and hands those words to an
# entrypoint if there is one: so here is a shell, and no entrypoint.
FROM geogate AS heroku
COPY --from=busybox:stable-musl /bin/busybox /bin/sh
ENTRYPOINT []
CMD ["/bin/geogate", "serve"]

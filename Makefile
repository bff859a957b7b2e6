# Run `make` to list the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS := -s -w -X geogate/internal/command.version=$(VERSION) -X geogate/internal/command.commit=$(COMMIT) -X geogate/internal/command.date=$(DATE)
IMAGE   ?= geogate

# The program that builds images on this machine.
CONTAINERS ?= $(firstword $(shell command -v docker podman buildah))

# `make lint` builds the linter from source at this version into .tools, once for
# each version of Go. So it needs no entry in go.mod and nothing on the machine.
GOLANGCI_VERSION := 2.15.0
GOLANGCI = .tools/bin/golangci-lint-$(GOLANGCI_VERSION)-$(shell go env GOVERSION)

# Each checkout has its own cache: a shared one finds reports by content, but the
# import rules depend on the path.
export GOLANGCI_LINT_CACHE := $(CURDIR)/.tools/cache

# All is built as what is shipped, but for the race detector, which needs cgo: vet, the
# linter, its own build, the checks and the program that they start share what was compiled
# once. A second kind of build costs a minute on two cores.
export CGO_ENABLED := 0

# checks is a separate module, which keeps the parsers that it needs out of go.mod.
# The client for Go is one for the sake of who uses it (ADR 0161).
MODULES := . checks clients/go

GO_FILES = $(shell find . -name '*.go' -not -path './.tools/*' -not -path '*/node_modules/*')

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/geogate.
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/geogate .

.PHONY: run
run: ## Run geogate on port 8080, or $PORT.
	go run .

.PHONY: test
test: ## Vet, then run every test with the race detector; as root on Debian, install what they need.
	scripts/ensure cc redis-server node curl jq
	-scripts/ensure chromium
	go vet ./...
	CGO_ENABLED=1 go test -race -shuffle=on -p 2 -timeout 20m $(TESTFLAGS) ./...
	cd checks && go vet ./... && go test -shuffle=on -timeout 10m ./clients/... ./deploy/... ./docs/... ./kubernetes/... ./prometheus/...
	cd clients/go && go vet ./... && CGO_ENABLED=1 go test -race -shuffle=on ./...

.PHONY: bench
bench: build ## Measure geogate beside nginx, Varnish, Redis alone, PostGIS and Tile38; print Markdown (needs nginx, varnishd, wrk, redis-server; 2 GB).
	go build -o bin/ ./bench/hits ./bench/calls ./bench/dispatch ./bench/streets ./bench/start
	bin/hits -geogate bin/geogate $(HITSFLAGS)
	bin/calls -geogate bin/geogate $(CALLSFLAGS)
	go test -run '^$$' -bench MemoryPerEntry -benchtime 1x ./cache
	bin/dispatch -geogate bin/geogate $(DISPATCHFLAGS)
	bin/streets -geogate bin/geogate $(STREETSFLAGS)
	bin/start -geogate bin/geogate $(STARTFLAGS)
	go test -run '^$$' -bench . ./internal/webhook
	go test -run '^$$' -bench SuggestAtRate -benchtime 50000x ./e2e

.PHONY: bench-go
bench-go: ## Run the Go benchmarks without the tests.
	go test -run '^$$' -bench . -benchmem $(TESTFLAGS) ./...

# All but the fast lane share FUZZTIME, in seconds. New finds go to testdata/fuzz of their package:
# keep them. Tests run every seed as well.
FUZZTIME ?= 60

.PHONY: fuzz
fuzz: ## Fuzz the fast lane for a minute, and every parser, FUZZTIME seconds in all (60).
	scripts/ensure redis-server
	FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: soak
soak: ## Check dispatch over a million operations while processes and Redis are killed, races, long lists and 1,000 revocations of keys (about 20 minutes).
	scripts/ensure redis-server
	go test -count=1 -timeout 90m -v -run 'TestSoak|TestTown|TestCancelAgainst|TestNoScriptIsSlow|TestListsOfAMillionRides' ./dispatch -soak
	go test -count=1 -v -run TestCallsOfTheRouter ./gateway/rides -soak
	go test -count=1 -v -run TestSoak ./internal/identity -soak
	go test -count=1 -v -run 'TestGossip|TestRollingRestart' ./e2e -soak

.PHONY: soak-events
soak-events: ## Check at full size that webhooks lose no event and delay nobody (about 12 minutes).
	go test -count=1 -timeout 60m -v -run 'TestKilled|TestFive|TestDead|TestHandingOutNeverHoldsRedis' ./internal/webhook -long

.PHONY: soak-maps
soak-maps: ## Measure what 20 open maps cost beside none, and how many frames a browser draws of 10,000 drivers (about 5 minutes).
	scripts/ensure redis-server
	go test -count=1 -timeout 15m -v -run 'TestMap.*AtFullSize' ./e2e -soak

.PHONY: soak-memory
soak-memory: build ## Keep a million answers in a container of 2.5 GB busy for an hour; print Markdown (as root; needs redis-server, 8 GB).
	scripts/ensure redis-server
	go build -o bin/ ./bench/endurance
	taskset -c 1 bin/endurance -geogate bin/geogate

.PHONY: siege
siege: build ## Attack geogate from 20 addresses beside 200 honest clients for five minutes, and another geogate as long before; print Markdown (needs redis-server and chrt).
	scripts/ensure redis-server
	go build -o bin/ ./bench/siege
	bin/siege -geogate bin/geogate $(SIEGEFLAGS)

.PHONY: cover
cover: ## Run the tests and print their coverage by function.
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out

.PHONY: lint
lint: lint-format lint-modules $(GOLANGCI) ## Check the format, go.mod and the import rules, and run golangci-lint.
	$(GOLANGCI) run ./...
	cd checks && ../$(GOLANGCI) run ./...
	cd clients/go && ../../$(GOLANGCI) run ./...
	cd checks && go test -count=1 ./lint -golangci-lint '$(CURDIR)/$(GOLANGCI)'

.PHONY: lint-format
lint-format:
	@unformatted=$$(gofmt -s -l $(GO_FILES)); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi

# go mod verify fails on checks: it takes no module that is replaced by a folder and has
# a name without a domain.
.PHONY: lint-modules
lint-modules:
	for module in $(MODULES); do (cd $$module && go mod tidy -diff); done
	go mod verify

$(GOLANGCI):
	mkdir -p $(@D)
	GOBIN='$(CURDIR)/.tools/install' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION)
	mv .tools/install/golangci-lint $@

.PHONY: fmt
fmt: ## Format the Go files.
	gofmt -s -w $(GO_FILES)

.PHONY: clients
clients: ## Make the types of the TypeScript client anew from docs/openapi.yaml.
	cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund && npm run generate

.PHONY: adr
adr: ## Update the list of decision records in docs/adr/README.md.
	scripts/adr-index

.PHONY: image
image: ## Build the container image with docker, podman or buildah.
	$(if $(CONTAINERS),,$(error no docker, podman or buildah on the PATH))
	$(CONTAINERS) build --target geogate --build-arg VERSION='$(VERSION)' --build-arg COMMIT='$(COMMIT)' --build-arg DATE='$(DATE)' --tag '$(IMAGE)' .

.PHONY: image-check
image-check: ## Build both images offline and run them read-only, as nobody (Debian, as root).
	scripts/image-check

# Tools of releases are built from source, like the linter, and need no entry in go.mod.
# Newer versions of goreleaser need a newer Go than go.mod names.
GORELEASER_VERSION := 2.16.0
CYCLONEDX_VERSION  := 1.10.0
GORELEASER = .tools/bin/goreleaser-$(GORELEASER_VERSION)
CYCLONEDX  = .tools/bin/cyclonedx-gomod

$(GORELEASER):
	mkdir -p $(@D)
	GOBIN='$(CURDIR)/.tools/install' go install github.com/goreleaser/goreleaser/v2@v$(GORELEASER_VERSION)
	mv .tools/install/goreleaser $@

$(CYCLONEDX):
	mkdir -p $(@D)
	GOBIN='$(CURDIR)/.tools/bin' go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v$(CYCLONEDX_VERSION)

.PHONY: release
release: $(GORELEASER) $(CYCLONEDX) ## Build and publish the release of the tag that is checked out (the release workflow does).
	$(GORELEASER) release --clean

# What binaries are made of. Its tests need a redis-server, so nobody runs or vets them on Windows.
SHIPPED := ./internal/... ./gateway/... ./cache/... ./upstream/... ./dispatch/... .

.PHONY: release-check
release-check: $(GORELEASER) $(CYCLONEDX) ## Build binaries, packages, SBOMs and checksums of all platforms into dist, and publish nothing (some minutes).
	$(GORELEASER) check
	for platform in darwin/arm64 linux/arm64; do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} go vet $(SHIPPED); \
	done
	GOOS=windows GOARCH=amd64 go build $(SHIPPED)
	$(GORELEASER) release --snapshot --clean --skip=sign,docker
	cd dist && sha256sum --check --quiet checksums.txt

.PHONY: package-check
package-check: ## Install, start, ask, stop and remove the Debian package of `make release-check` (Debian, as root).
	scripts/ensure redis-server curl
	scripts/package-check

.PHONY: ci
ci: ## Run what CI runs.
	.ci/run

.PHONY: clean
clean: ## Remove everything that was built, including the linter.
	rm -rf bin dist .tools coverage.out

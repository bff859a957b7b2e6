// Package checks proves the files beside the code: deploy that the deployment
// files say what the tools which read them expect, docs that the API description
// is valid and that links lead somewhere, lint that the linter reports what
// .golangci.yml forbids.
//
// It is a module of its own, so that the parsers it needs stay out of the go.mod
// of geogate. `make test` runs deploy and docs, `make lint` runs lint.
package checks

// Package docs holds what the program shows of its own documentation.
package docs

import _ "embed"

// OpenAPI is the description of the API, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

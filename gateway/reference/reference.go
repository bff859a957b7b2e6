// Package reference is the room of the API's description: the file itself, and a
// page that shows it and tries it out, offline and against this geogate alone.
package reference

import (
	"embed"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"geogate/docs"
	"geogate/gateway/exchange"
)

//go:embed page
var embedded embed.FS

// policy lets the page use what this server gives it and nothing else: no inline
// script or style, no other host, no frame around it. The style sheet of Swagger
// UI draws its icons from data: URLs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

var (
	inYAML = exchange.NewFile("openapi.yaml", docs.OpenAPI)
	// Made from the YAML when somebody first asks for it.
	inJSON = sync.OnceValue(func() *exchange.File {
		text, err := toJSON(docs.OpenAPI)
		if err != nil {
			panic(fmt.Sprintf("reference: %v", err)) // it is in the binary
		}
		return exchange.NewFile("openapi.json", text)
	})
	page = sync.OnceValue(readPage)
)

// YAML answers with the description as it is written.
func YAML(w http.ResponseWriter, r *http.Request) error { return inYAML.Serve(w, r) }

// JSON answers with the description in JSON.
func JSON(w http.ResponseWriter, r *http.Request) error { return inJSON().Serve(w, r) }

// Page serves the page at /docs/ and what it is made of.
func Page(w http.ResponseWriter, r *http.Request) error {
	name, below := strings.CutPrefix(r.URL.Path, "/docs/")
	if !below { // the addresses in the page are relative
		http.Redirect(w, r, "/docs/", http.StatusSeeOther)
		return nil
	}
	if name == "" {
		name = "index.html"
	}
	f := page()[name]
	if f == nil {
		return exchange.NewProblem(http.StatusNotFound, "not_found", "there is nothing at this path")
	}
	w.Header().Set("Content-Security-Policy", policy)
	return f.Serve(w, r)
}

// readPage finds the files of the page. Those of Swagger UI are in gzip.
func readPage() map[string]*exchange.File {
	entries, err := embedded.ReadDir("page")
	if err != nil {
		panic(fmt.Sprintf("reference: %v", err)) // it is in the binary
	}
	files := map[string]*exchange.File{}
	for _, entry := range entries {
		content, err := embedded.ReadFile("page/" + entry.Name())
		if err != nil {
			panic(fmt.Sprintf("reference: %v", err))
		}
		if name, gzipped := strings.CutSuffix(entry.Name(), ".gz"); gzipped {
			files[name] = exchange.NewGzippedFile(name, content)
		} else {
			files[name] = exchange.NewFile(name, content)
		}
	}
	return files
}

// Package widget is the room of what other people's pages embed.
package widget

import (
	_ "embed"
	"net/http"

	"geogate/gateway/exchange"
)

//go:embed suggest.js
var script []byte

var suggest = exchange.NewFile("suggest.js", script)

// Suggest serves the script of <geogate-suggest>, a field that completes the names
// of places.
func Suggest(w http.ResponseWriter, r *http.Request) error { return suggest.Serve(w, r) }

package gateway

import (
	"net/http"
	"strings"

	"geogate/gateway/exchange"
)

// root welcomes whoever opens the address of geogate: people in the console,
// programs with the way to everything else.
func (g *Gateway) root(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return nil
	}
	return exchange.Respond(w, http.StatusOK, welcome{
		Name: "geogate", Version: g.version,
		Links: links{
			Console: "/console/", Reference: "/docs/", Description: "/openapi.json", Geocode: "/api?q=vaduz", Suggest: "/suggest?q=vad", Ready: "/readyz",
		},
	})
}

type welcome struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Links   links  `json:"links"`
}

// links are paths.
type links struct {
	Console     string `json:"console"`
	Reference   string `json:"docs"`
	Description string `json:"openapi"`
	Geocode     string `json:"geocode"`
	Suggest     string `json:"suggest"`
	Ready       string `json:"ready"`
}

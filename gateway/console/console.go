// Package console is the room of the console: a page for people, for whatever they may
// see and do here. The page is plain JavaScript modules without a build step; it asks the
// same endpoints as every other client, and no other host than this one.
package console

import (
	"net/http"
	"strings"
	"sync"

	"geogate/gateway/exchange"
	"geogate/internal/basemap"
	"geogate/internal/gazetteer"
)

// Config is what the console needs to know.
type Config struct {
	Version string
	Places  *gazetteer.Gazetteer // names the towns on the map; nil: nobody does
	Style   *basemap.Styles      // what the map looks like; nil: the built-in one
	Tiles   *basemap.Archive     // what lies under the map; nil: what is built in
	// Counters tells what the process has counted. It is called every ten seconds.
	Counters func() Counters
}

// API answers requests of the console over HTTP. It is safe for concurrent use.
type API struct {
	cfg     Config
	history history
	files   func() map[string]*exchange.File // by their path below /console/; read when somebody looks
}

// New returns the API of a console.
func New(cfg Config) *API { return &API{cfg: cfg, files: sync.OnceValue(readFiles)} }

// policy lets the page use what this server gives it and nothing else: no inline script
// or style, no frame around it, and no other host but those that the style of the map
// names. The map draws in a worker of its own, and into images that it makes itself.
func policy(style *basemap.Style) string {
	origins := ""
	if style != nil && len(style.Origins) > 0 {
		origins = " " + strings.Join(style.Origins, " ")
	}
	return "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'" + origins + "; " +
		"img-src 'self' data: blob:" + origins + "; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}

// Page serves the files of the console.
func (a *API) Page(w http.ResponseWriter, r *http.Request) error {
	name, below := strings.CutPrefix(r.URL.Path, "/console/")
	if !below { // relative addresses in the page need the slash
		http.Redirect(w, r, "/console/", http.StatusSeeOther)
		return nil
	}
	if name == "" {
		name = "index.html"
	}
	f := a.files()[name]
	if f == nil {
		return exchange.NewProblem(http.StatusNotFound, "not_found", "there is nothing at this path")
	}
	style, _ := a.style(r)
	w.Header().Set("Content-Security-Policy", policy(style))
	return f.Serve(w, r)
}

// session is what the page needs to know before it shows anything.
type session struct {
	Version string   `json:"version"`
	Kind    string   `json:"kind"` // anonymous, local, admin, key, jwt or token
	Subject string   `json:"subject,omitempty"`
	Scopes  []string `json:"scopes"`
}

// Session tells who asks and what they may do, so that the page shows nothing else.
func (a *API) Session(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	caller := exchange.Of(r).Caller
	return exchange.Respond(w, http.StatusOK, session{
		Version: a.cfg.Version, Kind: caller.Kind.String(), Subject: caller.Subject, Scopes: strings.Fields(caller.Scopes.String()),
	})
}

package gateway_test

import (
	"net/http"
	"testing"

	"geogate/gateway/gatewaytest"
)

// The address of geogate takes people to the console, and tells programs where
// everything is.
func TestRoot(t *testing.T) {
	f := gatewaytest.New(t)
	for _, c := range []struct {
		name, accept string
		status       int
	}{
		{"a browser", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", http.StatusSeeOther},
		{"curl", "Accept: */*", http.StatusOK},
		{"a program", "Accept: application/json", http.StatusOK},
	} {
		got := f.Do(t, "GET /", "", c.accept)
		if got.StatusCode != c.status || got.Header.Get("Vary") == "" {
			t.Errorf("%s: %d, Vary %q, want %d", c.name, got.StatusCode, got.Header.Get("Vary"), c.status)
		}
		if c.status == http.StatusSeeOther {
			if to := got.Header.Get("Location"); to != "/console/" {
				t.Errorf("%s is sent to %s", c.name, to)
			}
			continue
		}
		var welcome struct {
			Name  string
			Links map[string]string
		}
		got.JSON(t, &welcome)
		if welcome.Name != "geogate" {
			t.Errorf("%s is told %s", c.name, got.Text)
		}
		for _, name := range []string{"docs", "openapi", "suggest", "ready"} {
			path := welcome.Links[name]
			if there := f.Do(t, "GET "+path, ""); there.StatusCode >= http.StatusBadRequest {
				t.Errorf("%s: the link to %s answers %d", c.name, name, there.StatusCode)
			}
		}
	}
}

package e2e

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"geogate/upstream/upstreamtest"
)

// nodeResult is what one call of node-geocoder came to.
type nodeResult struct {
	Places []struct {
		Latitude, Longitude                    float64
		FormattedAddress, Country, CountryCode string
	}
	Error string
}

// nodeClient is node-geocoder as npm installs it.
type nodeClient struct{ dir string }

func installNodeClient(t *testing.T) nodeClient {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run make test, which installs it on Debian", tool)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "geocode.js"} {
		content, err := os.ReadFile(filepath.Join("node", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return nodeClient{dir}
}

// run makes calls, each a method and its argument, against base.
func (c nodeClient) run(t *testing.T, base string, calls ...[2]any) []nodeResult {
	t.Helper()
	argument, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "geocode.js", base, string(argument))
	cmd.Dir = c.dir
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			out = exit.Stderr
		}
		t.Fatalf("node geocode.js: %v\n%s", err, out)
	}
	var results []nodeResult
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(calls) {
		t.Fatalf("node geocode.js printed %s: %v, want %d results", out, err, len(calls))
	}
	return results
}

func TestNodeClient(t *testing.T) {
	t.Parallel()
	client := installNodeClient(t)
	t.Run("stand-in", func(t *testing.T) {
		upstream := upstreamtest.New(t)
		g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
		upstream.SetAnswer(recordedAnswer("/search?q=Vaduz&format=json&addressdetails=1&extratags=1&namedetails=1"))
		client.checkFound(t, g.URL)
		upstream.SetAnswer(nil)
		client.checkNotFound(t, g.URL)
	})
	t.Run("gazetteer", func(t *testing.T) {
		g := start(t, settings())
		client.checkFound(t, g.URL)
		client.checkNotFound(t, g.URL)
	})
}

func (c nodeClient) checkFound(t *testing.T, base string) {
	t.Helper()
	search := [2]any{"geocode", "Vaduz"}
	reverse := [2]any{"reverse", map[string]any{"lat": 47.14, "lon": 9.52}}
	for i, r := range c.run(t, base, search, reverse, search, reverse) { // the last two from the cache
		if r.Error != "" || len(r.Places) == 0 {
			t.Errorf("call %d: %+v, want a place", i, r)
			continue
		}
		p := r.Places[0]
		if math.Abs(p.Latitude-47.14) > 0.1 || math.Abs(p.Longitude-9.52) > 0.1 ||
			p.CountryCode != "LI" || p.Country != "Liechtenstein" || !strings.Contains(p.FormattedAddress, "Vaduz") {
			t.Errorf("call %d: %+v, want Vaduz", i, p)
		}
	}
}

func (c nodeClient) checkNotFound(t *testing.T, base string) {
	t.Helper()
	results := c.run(t, base,
		[2]any{"geocode", "xyzzyqwertnowhere"},
		[2]any{"geocode", ""},
		[2]any{"reverse", map[string]any{"lat": 0, "lon": -30}},
		[2]any{"reverse", map[string]any{"lat": "abc", "lon": 9.52}},
		[2]any{"geocode", map[string]any{"q": "Vaduz", "city": "Vaduz"}},
	)
	for i, what := range []string{"a search for nothing", "a search for an empty text"} {
		if r := results[i]; r.Error != "" || len(r.Places) != 0 {
			t.Errorf("%s: %+v, want no places and no error", what, r)
		}
	}
	if r := results[2]; r.Error != "Unable to geocode" {
		t.Errorf("reverse of the Atlantic: %+v, want error %q", r, "Unable to geocode")
	}
	for i, what := range []string{"reverse of no number", "a search by text and by city"} {
		if r := results[3+i]; r.Error == "" {
			t.Errorf("%s: %+v, want an error", what, r)
		}
	}
}

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
	return nodeClient{npmInstall(t, "node", "geocode.js")}
}

// npmInstall installs what from/package-lock.json names, beside programs of from,
// and returns where.
func npmInstall(t *testing.T, from string, programs ...string) (dir string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run make test, which installs it on Debian", tool)
		}
	}
	dir = t.TempDir()
	for _, name := range append([]string{"package.json", "package-lock.json"}, programs...) {
		content, err := os.ReadFile(filepath.Join(from, name))
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
	return dir
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

// Calls of node-geocoder. It sends its own options along, osmServer among them,
// so that none of its requests is in the recording.
var (
	nodeSearch      = [2]any{"geocode", "Vaduz"}
	nodeReverse     = [2]any{"reverse", map[string]any{"lat": 47.14, "lon": 9.52}}
	nodeNoSearch    = [2]any{"geocode", "xyzzyqwertnowhere"}
	nodeEmptySearch = [2]any{"geocode", ""}
	nodeNoReverse   = [2]any{"reverse", map[string]any{"lat": 0, "lon": -30}}
	nodeBadReverse  = [2]any{"reverse", map[string]any{"lat": "abc", "lon": 9.52}}
	nodeBadSearch   = [2]any{"geocode", map[string]any{"q": "Vaduz", "city": "Vaduz"}}
)

func TestNodeClient(t *testing.T) {
	t.Parallel()
	client := installNodeClient(t)
	t.Run("stand-in", func(t *testing.T) {
		upstream := upstreamtest.New(t)
		g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
		// The second time it comes from the cache.
		upstream.SetAnswer(recordedAnswer("/search?q=Vaduz&format=json&addressdetails=1&extratags=1&namedetails=1"))
		wantVaduz(t, client.run(t, g.URL, nodeSearch, nodeSearch))
		upstream.SetAnswer(recordedAnswer("/reverse?lat=47.14&lon=9.52&format=json"))
		wantVaduz(t, client.run(t, g.URL, nodeReverse, nodeReverse))
		if calls := upstream.Calls(); calls != 2 {
			t.Errorf("%d calls upstream, want 1 for each of 2 questions", calls)
		}
		upstream.SetAnswer(nil)
		wantNothing(t, client.run(t, g.URL, nodeNoSearch, nodeEmptySearch, nodeNoReverse))
		upstream.SetAnswer(recordedAnswer("/search?q=Vaduz&city=Vaduz&format=jsonv2"))
		wantRefused(t, client.run(t, g.URL, nodeBadSearch, nodeBadReverse))
	})
	t.Run("gazetteer", func(t *testing.T) {
		g := start(t, settings("UPSTREAMS", "gazetteer"))
		wantVaduz(t, client.run(t, g.URL, nodeSearch, nodeReverse, nodeSearch, nodeReverse))
		wantNothing(t, client.run(t, g.URL, nodeNoSearch, nodeEmptySearch, nodeNoReverse))
		wantRefused(t, client.run(t, g.URL, nodeBadSearch, nodeBadReverse))
	})
}

func wantVaduz(t *testing.T, results []nodeResult) {
	t.Helper()
	for i, r := range results {
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

// wantNothing checks what the library makes of searches that find nothing, and
// of a last reverse request that does not.
func wantNothing(t *testing.T, results []nodeResult) {
	t.Helper()
	last := len(results) - 1
	for i, r := range results[:last] {
		if r.Error != "" || len(r.Places) != 0 {
			t.Errorf("search %d for nothing: %+v, want no places and no error", i, r)
		}
	}
	if r := results[last]; r.Error != "Unable to geocode" {
		t.Errorf("reverse of the Atlantic: %+v, want error %q", r, "Unable to geocode")
	}
}

func wantRefused(t *testing.T, results []nodeResult) {
	t.Helper()
	for i, r := range results {
		if r.Error == "" {
			t.Errorf("bad call %d: %+v, want an error", i, r)
		}
	}
}

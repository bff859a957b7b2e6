package console_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/gazetteer"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

func TestConsoleIsServed(t *testing.T) {
	f := gatewaytest.New(t)
	for path, contentType := range map[string]string{
		"/console/": "text/html; charset=utf-8", "/console/app.js": "text/javascript; charset=utf-8", "/console/console.css": "text/css; charset=utf-8",
		"/console/vendor/maplibre-gl.mjs": "text/javascript; charset=utf-8", "/console/outlines.json": "application/json",
	} {
		plain := f.Do(t, "GET "+path, "")
		if plain.StatusCode != http.StatusOK || plain.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %s, want 200 %s", path, plain.StatusCode, plain.Header.Get("Content-Type"), contentType)
		}
		csp := plain.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
		compressed := f.Do(t, "GET "+path, "", "Accept-Encoding: br, gzip")
		r, err := gzip.NewReader(strings.NewReader(compressed.Text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if inside, err := io.ReadAll(r); err != nil || string(inside) != plain.Text {
			t.Errorf("%s: compressed, it holds something else: %v", path, err)
		}
		if again := f.Do(t, "GET "+path, "", "If-None-Match: "+plain.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d, want 304", path, again.StatusCode)
		}
	}
	if res := f.Do(t, "GET /console", ""); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/console/" {
		t.Errorf("/console: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	for _, path := range []string{"/console/nothing.js", "/console/../console.go", "/console/views/"} {
		if res := f.Do(t, "GET "+path, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, res.StatusCode)
		}
	}
}

// What the page's policy forbids, and addresses of others, are not in its files; every
// module that one of them imports is there.
func TestConsoleKeepsItsPolicy(t *testing.T) {
	imports := regexp.MustCompile(`(?:from|import\() ?"(\.[^"]+)"`)
	err := filepath.WalkDir("page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(name, "vendor") {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, forbidden := range []string{"<script>", " style=", "onclick=\"", "eval(", "innerHTML", "http://", "https://"} {
			text := strings.NewReplacer("http://www.w3.org/", "", `href="https://www.geonames.org/"`, "").Replace(string(content))
			if strings.Contains(text, forbidden) {
				t.Errorf("%s holds %q", name, forbidden)
			}
		}
		for _, m := range imports.FindAllStringSubmatch(string(content), -1) {
			target := filepath.Join(filepath.Dir(name), m[1])
			if _, err := os.Stat(target); err != nil {
				if _, err := os.Stat(target + ".gz"); err != nil {
					t.Errorf("%s imports %s, which is not there", name, m[1])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSessionTellsWhatTheCallerMay(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithAdmin, func(c *gateway.Config) { c.Identity.Anonymous = 0 })
	var s struct {
		Version, Kind string
		Scopes        []string
	}
	f.Do(t, "GET /console/session", "").JSON(t, &s)
	if s.Kind != "anonymous" || len(s.Scopes) != 0 || s.Version != "test" {
		t.Errorf("nobody: %+v", s)
	}
	f.Do(t, "GET /console/session", "", gatewaytest.AsAdmin).JSON(t, &s)
	if s.Kind != "admin" || !slices.Contains(s.Scopes, "dispatch") || !slices.Contains(s.Scopes, "admin") {
		t.Errorf("an administrator: %+v", s)
	}
	if res := f.Do(t, "GET /console/session", "", "Authorization: Bearer wrong"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong credential: %d, want 401", res.StatusCode)
	}
}

func TestLabels(t *testing.T) {
	places, err := gazetteer.Load()
	if err != nil {
		t.Fatal(err)
	}
	f := gatewaytest.New(t, func(c *gateway.Config) { c.Places = places })
	res := f.Do(t, "GET /console/labels/8/134/89", "") // the Lake of Constance
	var answer struct {
		Labels      []struct{ Name string }
		Attribution string
	}
	if err := json.Unmarshal([]byte(res.Text), &answer); err != nil || len(answer.Labels) == 0 || answer.Labels[0].Name != "Zürich" {
		t.Errorf("labels: %s", res.Text)
	}
	if answer.Attribution != gazetteer.Attribution.Text {
		t.Errorf("the labels come without their attribution: %q", answer.Attribution)
	}
	for _, tile := range []string{"11/0/0", "-1/0/0", "3/8/0", "3/0/8", "3/-1/0", "x/0/0", "3/0/1.5"} {
		if res := f.Do(t, "GET /console/labels/"+tile, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", tile, res.StatusCode)
		}
	}
}

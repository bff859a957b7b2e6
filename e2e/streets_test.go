package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// importExtract runs geogate import on one of the test extracts.
func importExtract(t *testing.T, name, out string) {
	t.Helper()
	extract := filepath.Join(moduleRoot, "internal", "streets", "testdata", name+".osm.pbf")
	code, said, errs := execute(t, env{}, "import", "-o", out, extract)
	if code != 0 || !strings.Contains(said, "house numbers") {
		t.Fatalf("geogate import ends with %d: %s%s", code, said, errs)
	}
}

// TestStreetsFromAnExtract imports an extract, serves it and asks for an
// address, as the README says.
func TestStreetsFromAnExtract(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "monaco.streets")
	importExtract(t, "monaco", out)
	g := start(t, settings("UPSTREAMS", "streets+file:"+out))
	for _, tt := range []struct{ query, want string }{
		{"q=" + url.QueryEscape("25 boulevard de suisse, monaco"), "25, Boulevard de Suisse"},
		{"lat=43.7385319&lon=7.4240328", "25, Boulevard de Suisse"},
	} {
		body := g.get(t, "/api?"+tt.query).Body
		var answer struct {
			Data []struct {
				DisplayName string `json:"display_name"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Data) == 0 {
			t.Fatalf("/api?%s = %s (%v)", tt.query, body, err)
		}
		if got := answer.Data[0].DisplayName; !strings.Contains(got, tt.want) {
			t.Errorf("/api?%s = %q, want %q in it", tt.query, got, tt.want)
		}
	}
	if body := g.get(t, "/suggest?q="+url.QueryEscape("25 boulevard de sui")).Body; !bytes.Contains(body, []byte("25, Boulevard de Suisse")) {
		t.Errorf("/suggest = %s, want the house in it", body)
	}
}

// TestStreetsAreReplacedWithoutALostRequest replaces the file of a running
// geogate that is asked all the time: by rename alone, by rename and SIGHUP, and
// by a file that is broken. No request fails, answers that are cached give way
// to those of the new file, and the process goes on.
func TestStreetsAreReplacedWithoutALostRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "served.streets")
	monaco, munich := filepath.Join(dir, "monaco"), filepath.Join(dir, "munich")
	importExtract(t, "monaco", monaco)
	importExtract(t, "munchen", munich)
	replaceBy := func(source string, n int) {
		t.Helper()
		data, err := os.ReadFile(source)
		if err == nil {
			err = os.WriteFile(path+".new", data[:min(n, len(data))], 0o600)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const whole = 1 << 30
	replaceBy(monaco, whole)
	g := start(t, settings("UPSTREAMS", "streets+file:"+path))
	awaitStreet := func(name string) {
		t.Helper()
		eventually(t, startTimeout, "an answer from the file with "+name, func() error {
			if body := g.get(t, "/search?q="+url.QueryEscape(name)).Body; !bytes.Contains(body, []byte(name)) {
				return fmt.Errorf("the answer is %s", body)
			}
			return nil
		})
	}
	hangUp := func() {
		t.Helper()
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for ctx.Err() == nil {
				a, err := g.do(t.Context(), http.MethodGet, "/search?q=boulevard+de+suisse", "")
				if err != nil || a.Status != http.StatusOK {
					t.Errorf("while the file is replaced: %v, %v", a, err)
					return
				}
			}
		})
	}
	awaitStreet("Boulevard de Suisse")
	replaceBy(munich, whole)
	awaitStreet("Karlsplatz")
	replaceBy(monaco, whole)
	hangUp()
	awaitStreet("Boulevard de Suisse")
	replaceBy(munich, 1000)
	hangUp()
	eventually(t, startTimeout, "a word about the broken file", func() error {
		if !strings.Contains(g.Stderr.String(), "new streets file cannot be read") {
			return errors.New("none in the log")
		}
		return nil
	})
	awaitStreet("Boulevard de Suisse")
	if body := g.get(t, "/status?format=json").Body; !bytes.Contains(body, []byte("could not be read")) {
		t.Errorf("/status = %s, want a word about the broken file", body)
	}
	cancel()
	asking.Wait()
}

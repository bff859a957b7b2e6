package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
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

// TestStreetsAsDocumented runs the three lines that import an extract, serve it and
// ask for an address, as the README and the guide have them.
func TestStreetsAsDocumented(t *testing.T) {
	t.Parallel()
	for document, extract := range map[string]string{"README.md": "internal/streets/testdata/monaco.osm.pbf", "docs/streets.md": "monaco.osm.pbf"} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(document)))
			if err != nil {
				t.Fatal(err)
			}
			_, block, _ := strings.Cut(string(text), "```sh\ngeogate import ")
			block, _, _ = strings.Cut(block, "\n```")
			lines := strings.Split("geogate import "+block, "\n")
			if len(lines) != 3 || !strings.HasSuffix(lines[1], " geogate") {
				t.Fatalf("%s has %q, want three lines, of which the second starts geogate", document, lines)
			}
			dir := t.TempDir()
			place := filepath.Join(dir, filepath.FromSlash(extract))
			monaco, err := os.ReadFile(filepath.Join(moduleRoot, "internal", "streets", "testdata", "monaco.osm.pbf"))
			if err == nil {
				err = os.MkdirAll(filepath.Dir(place), 0o700)
			}
			if err == nil {
				err = os.WriteFile(place, monaco, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			sh := func(line string) string {
				cmd := exec.CommandContext(t.Context(), "bash", "-c", line)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
				said, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("$ %s\n%s%v", line, said, err)
				}
				return string(said)
			}
			if said := sh(lines[0]); !strings.Contains(said, "house numbers") {
				t.Errorf("$ %s\n%s", lines[0], said)
			}
			vars := assignments(lines[1])
			g := start(t, settings("UPSTREAMS", strings.Replace(vars["UPSTREAMS"], "file:", "file:"+dir+"/", 1)))
			if said := sh(strings.ReplaceAll(lines[2], "localhost:8080", "localhost:"+port(g))); !strings.Contains(said, "25, Boulevard de Suisse, ") {
				t.Errorf("$ %s\n%s", lines[2], said)
			}
			if body := g.get(t, "/api?lat=43.7385319&lon=7.4240328").Body; !bytes.Contains(body, []byte("25, Boulevard de Suisse")) {
				t.Errorf("the way back = %s, want the house in it", body)
			}
			if body := g.get(t, "/suggest?q="+url.QueryEscape("25 boulevard de sui")).Body; !bytes.Contains(body, []byte("25, Boulevard de Suisse")) {
				t.Errorf("/suggest = %s, want the house in it", body)
			}
		})
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

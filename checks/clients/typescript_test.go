// Package clients checks the clients in /clients as their users get them: made anew
// from the description, built, packed, installed and used with a live geogate.
package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"geogate/checks/geogate"
)

func TestTypeScript(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run make test, which installs it on Debian", tool)
		}
	}
	// The folder keeps its place below the root, because it names the description.
	root := t.TempDir()
	source := filepath.Join(root, "clients", "typescript")
	for _, folder := range []string{"clients/typescript", "docs"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(geogate.Root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	run(t, source, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")

	run(t, source, "npm", "run", "generate")
	want, err := os.ReadFile(filepath.Join(source, "src", "schema.ts"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(geogate.Root, "clients", "typescript", "src", "schema.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("clients/typescript/src/schema.ts is not made from docs/openapi.yaml: make clients")
	}

	run(t, source, "npm", "run", "build")
	run(t, source, "npm", "test")
	var packed []struct {
		Filename string
		Files    []struct{ Path string }
	}
	if err := json.Unmarshal(run(t, source, "npm", "pack", "--ignore-scripts", "--json"), &packed); err != nil || len(packed) != 1 {
		t.Fatalf("npm pack: %v, %+v", err, packed)
	}
	app := t.TempDir()
	write(t, app, "package.json", `{"private":true,"type":"module"}`)
	write(t, app, "live.mjs", `import * as client from "geogate-client";
import { roundTrip } from "./roundtrip.mjs";
console.log(await roundTrip(client, process.argv[2], "node"));
`)
	copyFile(t, filepath.Join(source, "test", "roundtrip.mjs"), filepath.Join(app, "roundtrip.mjs"))
	run(t, app, "npm", "install", "--offline", "--no-audit", "--no-fund", filepath.Join(source, packed[0].Filename))

	page := httptest.NewUnstartedServer(nil)
	t.Cleanup(page.Close)
	origin := "http://" + page.Listener.Addr().String()
	dir := t.TempDir()
	geogate.Build(t, dir)
	base := geogate.Start(t, dir, "bin/geogate", "ANONYMOUS=all", "CORS_ORIGINS="+origin, "LOG_FORMAT=json")

	const whole = "searching,matched,completed"
	t.Run("Node", func(t *testing.T) {
		if got := string(bytes.TrimSpace(run(t, app, "node", "live.mjs", base))); got != whole {
			t.Errorf("the ride was %q, want %q", got, whole)
		}
	})
	t.Run("Chromium", func(t *testing.T) {
		if got := inChromium(t, page, app, "/node_modules/geogate-client/dist/index.js", base); got != whole {
			t.Errorf("the ride was %q, want %q", got, whole)
		}
	})
	t.Run("guide", func(t *testing.T) { theGuide(t, source, filepath.Join(dir, "bin", "geogate")) })
}

// inChromium makes the round trip of app/roundtrip.mjs with a client of app on a web page,
// and returns what came of it.
func inChromium(t *testing.T, page *httptest.Server, app, client, base string) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("Chromium is not on the PATH: `make test` installs it on Debian as root")
	}
	results := make(chan string, 1)
	page.Config.Handler = browserApp(app, client, base, results)
	page.Start()
	profile, err := os.MkdirTemp("", "chromium") //nolint:usetesting // a t.TempDir that is written to at the end fails the test
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+profile, page.URL)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with the processes that it starts
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = os.RemoveAll(profile) // one of them may write a last file meanwhile
	}()
	const patience = 5 * time.Minute
	select {
	case got := <-results:
		return got
	case <-time.After(patience):
		t.Fatalf("Chromium said nothing within %s", patience)
		return ""
	}
}

func browserApp(app, client, base string, results chan<- string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir(app)))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><script type="module">
import * as client from %q;
import { roundTrip } from "/roundtrip.mjs";
const came = await roundTrip(client, %q, "browser").catch((err) => String(err.stack));
await fetch("/result", { method: "POST", body: came });
</script>`, client, base)
	})
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		came, _ := io.ReadAll(r.Body)
		results <- string(came)
	})
	return mux
}

// run returns what a command writes on its standard output.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, &problems)
	}
	return out
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(to), filepath.Base(to), string(text))
}

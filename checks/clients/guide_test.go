package clients

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"geogate/checks/geogate"
)

// theGuide compiles the TypeScript of docs/mobile.md as it stands there, with the compiler
// of the client's package, and drives rides with it.
func theGuide(t *testing.T, typescript, program string) {
	page, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "mobile.md"))
	if err != nil {
		t.Fatal(err)
	}
	var module strings.Builder
	for _, block := range regexp.MustCompile("(?s)```ts\n(.*?)```").FindAllSubmatch(page, -1) {
		module.Write(block[1])
	}
	app := filepath.Join(typescript, "guide")
	if err := os.Mkdir(app, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, app, "town.ts", module.String())
	write(t, app, "package.json", `{"private":true,"type":"module"}`)
	write(t, app, "tsconfig.json", `{"extends":"../tsconfig.json","compilerOptions":{"rootDir":".","outDir":"dist"},"include":["town.ts"]}`)
	run(t, typescript, "npx", "--no-install", "tsc", "--project", "guide")
	copyFile(t, filepath.Join("testdata", "guide.mjs"), filepath.Join(app, "roundtrip.mjs"))
	write(t, app, "node.mjs", `import * as guide from "./dist/town.js";
import { roundTrip } from "./roundtrip.mjs";
console.log(await roundTrip(guide, process.argv[2], "node"));
`)

	site := httptest.NewUnstartedServer(nil)
	t.Cleanup(site.Close)
	base := geogate.Start(t, filepath.Dir(program), program, "ANONYMOUS=all", "LOG_FORMAT=json", "UPSTREAMS=gazetteer",
		"DISPATCH_OFFER_TTL=60s", "CORS_ORIGINS=http://"+site.Listener.Addr().String())
	const whole = "offered,matched,arrived,started,completed"
	t.Run("Node", func(t *testing.T) {
		if got := string(bytes.TrimSpace(run(t, app, "node", "node.mjs", badNetwork(t, base)))); got != whole {
			t.Errorf("the ride was %q, want %q", got, whole)
		}
	})
	t.Run("Chromium", func(t *testing.T) {
		if got := inChromium(t, site, app, "/dist/town.js", base); got != whole+" "+whole {
			t.Errorf("the rides were %q, want %q twice", got, whole)
		}
	})
}

// badNetwork is a way to geogate on which one answer of four to a POST is lost, when
// geogate has done what it was asked for.
func badNetwork(t *testing.T, base string) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || posts.Add(1)%4 != 2 {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

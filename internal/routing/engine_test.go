package routing

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/geo"
)

// Three points of Liechtenstein and one across the Rhine.
var (
	vaduz   = geo.Point{Lat: 47.141, Lon: 9.5209}
	schaan  = geo.Point{Lat: 47.165, Lon: 9.5087}
	balzers = geo.Point{Lat: 47.0662, Lon: 9.5025}
	sevelen = geo.Point{Lat: 47.1206, Lon: 9.4859}
)

// routerTo returns a router over one engine, whose every answer is that of serve.
func routerTo(t *testing.T, spec string, serve http.HandlerFunc) (*Router, *Spec) {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	specs, err := ParseSpecs(fmt.Sprintf(spec, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	r := New(specs, Config{Version: "test"})
	t.Cleanup(r.Close)
	return r, &specs[0]
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is asked of each engine, and what is read in its documented answers.
func TestEnginesAsDocumented(t *testing.T) {
	from, to := []geo.Point{vaduz, sevelen}, []geo.Point{schaan, balzers}
	tests := []struct {
		name, spec, answer string
		method, target     string
		body               string
		want               Matrix
	}{
		{
			"osrm", "osrm+%s/base?key=K#profile=car", "osrm.json", "GET",
			"/base/table/v1/car/9.520900,47.141000;9.485900,47.120600;9.508700,47.165000;9.502500,47.066200" +
				"?sources=0;1&destinations=2;3&annotations=duration,distance&key=K", "",
			Matrix{{{Seconds: 254.3, Metres: 3213.9}, {Seconds: 611, Metres: 9120.4}}, {{Seconds: 702.5, Metres: 9444}, {Unreachable: true}}},
		},
		{
			"valhalla", "valhalla+%s?key=K#costing=taxi", "valhalla.json", "POST", "/sources_to_targets?key=K",
			`{"sources":[{"lat":47.141,"lon":9.5209},{"lat":47.1206,"lon":9.4859}],` +
				`"targets":[{"lat":47.165,"lon":9.5087},{"lat":47.0662,"lon":9.5025}],"costing":"taxi","units":"kilometers"}`,
			Matrix{{{Seconds: 301, Metres: 3214}, {Seconds: 595, Metres: 9120}}, {{Seconds: 688, Metres: 9450}, {Unreachable: true}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked, question string
			r, _ := routerTo(t, tt.spec, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked, question = r.Method+" "+r.URL.String(), string(body)
				_, _ = w.Write(recorded(t, tt.answer))
			})
			got, err := r.Table(t.Context(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.method + " " + tt.target; asked != want || question != tt.body {
				t.Errorf("asked %s %s, want %s %s", asked, question, want, tt.body)
			}
			want := Table{Cells: tt.want, Source: tt.name, Misses: 4}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Table (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever an engine sends that is not an answer, there is an estimate.
func TestHostileEngines(t *testing.T) {
	valhalla := func(cell string) string { return `{"units":"kilometers","sources_to_targets":[[` + cell + `]]}` }
	osrm := func(durations, distances string) string {
		return `{"code":"Ok","durations":` + durations + `,"distances":` + distances + `}`
	}
	tests := []struct {
		name, kind string
		status     int
		body       string
	}{
		{"html", "osrm", 200, "<html>welcome</html>"},
		{"empty", "osrm", 200, ""},
		{"server error", "osrm", 500, "{}"},
		{"redirect", "osrm", 302, ""},
		{"throttled", "osrm", 429, ""},
		{"too big", "osrm", 400, `{"code":"TooBig"}`},
		{"no rows", "osrm", 200, osrm(`[]`, `[]`)},
		{"too many rows", "osrm", 200, osrm(`[[1],[1]]`, `[[1],[1]]`)},
		{"too many columns", "osrm", 200, osrm(`[[1,2]]`, `[[1,2]]`)},
		{"no distances", "osrm", 200, `{"code":"Ok","durations":[[1]]}`},
		{"negative", "osrm", 200, osrm(`[[-1]]`, `[[1]]`)},
		{"huge", "osrm", 200, osrm(`[[1e300]]`, `[[1]]`)},
		{"not a number", "osrm", 200, osrm(`[[NaN]]`, `[[1]]`)},
		{"text", "osrm", 200, osrm(`[["1"]]`, `[[1]]`)},
		{"larger than the cap", "osrm", 200, `{"code":"Ok","x":"` + strings.Repeat("x", 9<<20) + `"}`},
		{"html", "valhalla", 200, "<html>welcome</html>"},
		{"miles", "valhalla", 200, `{"units":"miles","sources_to_targets":[[{"time":1,"distance":1}]]}`},
		{"negative", "valhalla", 200, valhalla(`{"time":1,"distance":-1}`)},
		{"another order", "valhalla", 200, valhalla(`{"time":1,"distance":1,"from_index":1,"to_index":0}`)},
		{"too many columns", "valhalla", 200, valhalla(`{"time":1,"distance":1},{"time":1,"distance":1}`)},
		{"exceeds its limits", "valhalla", 400, `{"error_code":154,"error":"Path distance exceeds the max distance limit"}`},
	}
	for _, tt := range tests {
		t.Run(tt.kind+"/"+tt.name, func(t *testing.T) {
			r, _ := routerTo(t, tt.kind+"+%s", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			got, err := r.Table(t.Context(), []geo.Point{vaduz}, []geo.Point{schaan})
			if err != nil || got.Source != SourceEstimate {
				t.Errorf("Table = %+v, %v, want an estimate", got, err)
			}
			if s := r.Stats(); s.Failures != 1 || s.Estimated != 1 {
				t.Errorf("Stats = %+v, want a failure and an estimate", s)
			}
		})
	}
}

// An engine that hangs is left after its time, and the next one is asked.
func TestEngineThatHangs(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the caller has left
		<-r.Context().Done()
	}))
	t.Cleanup(hang.Close)
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"code":"Ok","durations":[[7]],"distances":[[70]]}`)
	}))
	t.Cleanup(next.Close)
	specs, err := ParseSpecs("valhalla+" + hang.URL + "#timeout=50ms,osrm+" + next.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := New(specs, Config{})
	t.Cleanup(r.Close)
	got, err := r.Table(t.Context(), []geo.Point{vaduz}, []geo.Point{schaan})
	if want := (Table{Cells: Matrix{{{Seconds: 7, Metres: 70}}}, Source: "osrm", Misses: 1}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("Table = %+v, %v, want that of the next engine", got, err)
	}
	for range 4 { // five failures in a row open the breaker
		if _, err := r.Table(t.Context(), []geo.Point{vaduz}, []geo.Point{schaan}); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.States()[0]; s.State != "open" {
		t.Errorf("the engine that hangs is %s, want its breaker open", s.State)
	}
}

// A caller with little time gets an estimate in that time.
func TestCallerWithLittleTime(t *testing.T) {
	r, _ := routerTo(t, "osrm+%s#timeout=1m", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if got, err := r.Table(ctx, []geo.Point{vaduz}, []geo.Point{schaan}); err != nil || got.Source != SourceEstimate {
		t.Errorf("Table = %+v, %v, want an estimate", got, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := r.Table(ctx, []geo.Point{vaduz}, []geo.Point{schaan}); err == nil {
		t.Error("Table answers a caller who left")
	}
}

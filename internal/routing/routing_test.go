package routing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"geogate/internal/geo"
	"geogate/internal/outbound"
)

// Each square is about 50 m high and wide, wherever it is.
func TestSquares(t *testing.T) {
	for _, lat := range []float64{-89.9, -60, -0.001, 0, 33.4, 47.1, 70, 84} {
		for _, lon := range []float64{-179.9, -70.6, 0, 9.5, 179.9} {
			row, column := squareOf(geo.Point{Lat: lat, Lon: lon})
			count := func(dLat, dLon float64) int {
				n := 0
				for {
					r, c := squareOf(geo.Point{Lat: lat + float64(n)*dLat, Lon: lon + float64(n)*dLon})
					if r != row || c != column || n > 1000 {
						return n
					}
					n++
				}
			}
			metre := 1 / metresPerDegree
			height := count(metre, 0) + count(-metre, 0)
			width := count(0, metre/math.Cos(lat*math.Pi/180)) + count(0, -metre/math.Cos(lat*math.Pi/180))
			if height < 48 || height > 53 || lat > -80 && (width < 48 || width > 53) {
				t.Errorf("the square at %g,%g is %d m high and %d m wide", lat, lon, height, width)
			}
		}
	}
}

func TestEstimate(t *testing.T) {
	tests := []struct {
		name            string
		e               Estimate
		seconds, metres float64
	}{
		{"default", Estimate{}, 156, 1300},
		{"as the crow flies, at 60 km/h", Estimate{Detour: 1, KMH: 60}, 60, 1000},
	}
	for _, tt := range tests {
		c := tt.e.Cell(geo.Point{}, geo.Point{Lon: 1000 / metresPerDegree})
		if math.Abs(c.Seconds-tt.seconds) > .01 || math.Abs(c.Metres-tt.metres) > .01 {
			t.Errorf("%s: %+v, want %g s and %g m", tt.name, c, tt.seconds, tt.metres)
		}
	}
	got, err := New(nil, Config{}).Table(t.Context(), []geo.Point{vaduz, schaan}, []geo.Point{balzers})
	if err != nil || got.Source != SourceEstimate || len(got.Cells) != 2 || got.Misses != 2 {
		t.Errorf("Table without an engine = %+v, %v", got, err)
	}
}

// Pairs that are farther apart than an engine takes are not asked for.
func TestPairsTooFarApart(t *testing.T) {
	asked := ""
	r, _ := routerTo(t, "valhalla+%s", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked += string(body)
		_, _ = io.WriteString(w, `{"units":"kilometers","sources_to_targets":[[{"time":1,"distance":1}]]}`)
	})
	lisbon := geo.Point{Lat: 38.7, Lon: -9.1}
	got, err := r.Table(t.Context(), []geo.Point{vaduz}, []geo.Point{schaan, lisbon})
	if err != nil || got.Cells[0][0].Unreachable || !got.Cells[0][1].Unreachable {
		t.Errorf("Table = %+v, %v, want no way to Lisbon", got, err)
	}
	want := `{"sources":[{"lat":47.141,"lon":9.5209}],"targets":[{"lat":47.165,"lon":9.5087}],"costing":"auto","units":"kilometers"}`
	if asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
}

// Calls are charged to whom the context names, and whoever has nothing left is
// told so: an estimate would hide it.
func TestCallsAreCharged(t *testing.T) {
	left := 1
	r, _ := routerTo(t, "osrm+%s", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"code":"Ok","durations":[[7]],"distances":[[70]]}`)
	})
	ctx := outbound.WithCharge(t.Context(), &outbound.Charge{By: "key", Take: func(context.Context) error {
		if left--; left < 0 {
			return fmt.Errorf("nothing left")
		}
		return nil
	}})
	if _, err := r.Table(ctx, []geo.Point{vaduz}, []geo.Point{schaan}); err != nil {
		t.Errorf("first call: %v", err)
	}
	if _, err := r.Table(ctx, []geo.Point{vaduz}, []geo.Point{schaan}); err == nil {
		t.Error("second call was made at nobody's expense")
	}
}

// While no engine may be asked, times are estimated, and none is.
func TestEnginesThatMayNotBeAsked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the engine was asked") }))
	t.Cleanup(server.Close)
	specs, err := ParseSpecs("osrm+" + server.URL)
	if err != nil {
		t.Fatal(err)
	}
	forbidden := errors.New("forbidden")
	r := New(specs, Config{May: func() error { return forbidden }, Estimate: Estimate{Detour: 1.3, KMH: 30}})
	t.Cleanup(r.Close)
	got, err := r.Table(t.Context(), []geo.Point{vaduz}, []geo.Point{schaan})
	if err != nil || got.Source != "estimate" {
		t.Errorf("Table = %+v, %v, want an estimate", got, err)
	}
}

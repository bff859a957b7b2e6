package geocoding

import (
	"math"
	"math/rand/v2"
	"net/url"
	"strconv"
	"testing"

	"geogate/internal/geo"
)

// The position that is asked never lies farther off than the option allows, and
// asking for the centre of a cell stays in it.
func TestCellsKeepTheirBounds(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 20_000 {
		p := geo.Point{Lat: rng.Float64()*2*maxCellLatitude - maxCellLatitude, Lon: rng.Float64()*360 - 180}
		metres := math.Exp(rng.Float64() * math.Log(10_000))
		centre := cellCentre(p, metres)
		if d := geo.Distance(p, centre); d > metres*0.72 {
			t.Fatalf("seed %d: %v was moved %.1f m in a cell of %.1f m", seed, p, d, metres)
		}
		cells := Cells{{0, metres}}
		query := url.Values{"lat": {strconv.FormatFloat(p.Lat, 'f', 7, 64)}, "lon": {strconv.FormatFloat(p.Lon, 'f', 7, 64)}}
		if once := cells.snap(query); cells.snap(query) != once {
			t.Fatalf("seed %d: %v is not stable in cells of %.1f m", seed, p, metres)
		}
	}
}

package reach

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"geogate/internal/geo"
)

var santiago = geo.Point{Lat: -33.44262, Lon: -70.63054}

// within returns the radius for n where the n nearest were so many metres away.
func within(metres float64, n int) float64 {
	return metres * math.Sqrt(1+3/math.Sqrt(float64(n))+1/float64(n))
}

func TestMemory(t *testing.T) {
	var m Memory
	near := geo.Point{Lat: santiago.Lat + 0.0001, Lon: santiago.Lon}
	expect := func(what, index string, p geo.Point, n int, want float64) {
		t.Helper()
		if got := m.Radius(index, p, n); math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s: %v m, want %v", what, got, want)
		}
	}
	expect("nothing is known", "a", santiago, 10, 0)
	m.Note("a", santiago, 0, 5000)
	expect("of nobody nothing is learned", "a", santiago, 10, 0)
	m.Note("a", santiago, 10, 200)
	expect("as many", "a", near, 10, within(200, 10))
	expect("four times as many are twice as far", "a", near, 40, within(400, 40))
	expect("another index", "b", santiago, 10, 0)
	expect("another place", "a", geo.Point{Lat: -33, Lon: -70}, 10, 0)
	m.Note("a", near, 10, 300)
	expect("farther", "a", santiago, 10, within(300, 10))
	m.Note("a", near, 10, 100)
	expect("nearer counts for an eighth", "a", santiago, 10, within(math.Sqrt(300*300-(300*300-100*100)/8), 10))
}

func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for i := range 2 * maxPlaces {
		m.Note(fmt.Sprint(i), santiago, 1, 100)
	}
	if n := len(m.shares); n != maxPlaces {
		t.Errorf("%d places are remembered, want %d", n, maxPlaces)
	}
	if m.Radius(fmt.Sprint(2*maxPlaces-1), santiago, 1) == 0 {
		t.Error("the last is not")
	}
}

// destination is so many metres from p, in a direction.
func destination(p geo.Point, metres, bearing float64) geo.Point {
	lat, lng, d := p.Lat*math.Pi/180, p.Lon*math.Pi/180, metres/earthM
	to := math.Asin(math.Sin(lat)*math.Cos(d) + math.Cos(lat)*math.Sin(d)*math.Cos(bearing))
	east := math.Atan2(math.Sin(bearing)*math.Sin(d)*math.Cos(lat), math.Cos(d)-math.Sin(lat)*math.Sin(to))
	return geo.Point{Lat: to * 180 / math.Pi, Lon: math.Remainder((lng+east)*180/math.Pi, 360)}
}

// Whoever is in a circle is in its spans, at the date line, in the far north, and at any size.
func TestAroundHoldsTheCircle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		p := geo.Point{Lat: rng.Float64()*170 - 85, Lon: rng.Float64()*360 - 180}
		if rng.IntN(4) == 0 {
			p.Lon = math.Copysign(180-rng.Float64()*rng.Float64()*0.1, p.Lon)
		}
		radius := math.Exp(rng.Float64() * math.Log(100_000))
		spans, area, ok := Around(p, radius)
		if !ok {
			t.Fatalf("around %v, %v m: too large", p, radius)
		}
		if len(spans) == 0 || len(spans) > 4 {
			t.Fatalf("around %v, %v m: %d spans", p, radius, len(spans))
		}
		if circle := math.Pi * radius * radius; area < circle/2 { // north of the map there is nothing
			t.Fatalf("around %v, %v m: an area of %v m², the circle has %v", p, radius, area, circle)
		}
		q := destination(p, radius*rng.Float64()*0.999, rng.Float64()*2*math.Pi)
		if math.Abs(q.Lat) >= geo.MaxMercatorLat {
			continue
		}
		score, held := squareOf(q).score(), false
		for _, s := range spans {
			held = held || s.First <= score && score <= s.Last
		}
		if !held {
			t.Fatalf("around %v, %v m: %v is in none of %v", p, radius, q, spans)
		}
	}
	if _, _, ok := Around(santiago, 10_000_000); ok {
		t.Error("a circle of half of the earth has spans")
	}
}

// The score is what GEOADD gives, as Redis's documentation shows it for Palermo.
func TestScore(t *testing.T) {
	if got := squareOf(geo.Point{Lat: 38.115556, Lon: 13.361389}).score(); got != 3479099956230698 {
		t.Errorf("score %d", got)
	}
}

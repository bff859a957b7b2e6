package gazetteer

import (
	"math"
	"testing"

	"geogate/internal/geo"
)

func TestReverse(t *testing.T) {
	tests := []struct {
		name     string
		lat, lon float64
		zoom     int
		want     string
		country  string
	}{
		{"Vaduz, a mile from Switzerland", 47.14, 9.52, 18, "Vaduz", "li"},
		{"Paris, not its fourth arrondissement", 48.85, 2.35, 18, "Paris", "fr"},
		{"Basel", 47.5547, 7.5906, 18, "Basel", "ch"},
		{"Weil am Rhein", 47.5947, 7.6107, 18, "Weil am Rhein", "de"},
		{"Saint-Louis", 47.5896, 7.5594, 18, "Saint-Louis", "fr"},
		{"Geneva", 46.2044, 6.1432, 18, "Genève", "ch"},
		{"Annemasse", 46.1944, 6.2358, 18, "Annemasse", "fr"},
		{"Konstanz", 47.6633, 9.1753, 18, "Konstanz", "de"},
		{"Kreuzlingen", 47.6458, 9.1783, 18, "Kreuzlingen", "ch"},
		{"El Paso", 31.7587, -106.4869, 18, "El Paso", "us"},
		{"Juárez", 31.7202, -106.4608, 18, "Ciudad Juárez", "mx"},
		{"Strasbourg", 48.5839, 7.7455, 18, "Strasbourg", "fr"},
		{"Kehl", 48.5731, 7.8152, 18, "Kehl", "de"},
		{"the Vatican", 41.9029, 12.4534, 18, "Vatican City", "va"},
		{"Rome, outside its walls", 41.8905, 12.4942, 18, "Rome", "it"},
		{"Monaco", 43.7384, 7.4246, 18, "Monaco", "mc"},
		{"Lesotho, within South Africa", -29.6, 28.2, 3, "Lesotho", "ls"},
		{"Kaliningrad, away from Russia", 54.71, 20.5, 3, "Russia", "ru"},
		{"Alaska", 64.84, -147.72, 5, "Alaska", "us"},
		{"Siberia", 62.0, 100.0, 3, "Russia", "ru"},
		{"west of the date line", 66, 179.99, 3, "Russia", "ru"},
		{"on the date line", 66, 180, 3, "Russia", "ru"},
		{"on the date line from the other side", 66, -180, 3, "Russia", "ru"},
		{"east of the date line", 66, -179.99, 3, "Russia", "ru"},
		{"Fiji", -16.8, 179.99, 3, "Fiji", "fj"},
		{"Fiji across the date line", -16.8, -179.99, 3, "Fiji", "fj"},
		{"an island that nobody lives on", -24.366, -128.316, 18, "Pitcairn Islands", "pn"},
		{"a country without an outline", 36.1407, -5.3536, 18, "Gibraltar", "gi"},
		{"the town beside it", 36.1681, -5.3477, 18, "La Línea de la Concepción", "es"},
		{"an atoll without an outline", -9.3770, -171.2500, 3, "Tokelau", "tk"},
		{"French Guiana is not France", 4.2, -53.0, 3, "French Guiana", "gf"},
		{"Svalbard is not Norway", 78.22, 15.65, 3, "Svalbard & Jan Mayen", "sj"},
		{"the outback", -25, 130, 18, "Australia", "au"},
		{"harbour", 22.29, 114.165, 3, "Hong Kong SAR China", "hk"},
		{"zoom of a country", 47.14, 9.52, 0, "Liechtenstein", "li"},
		{"zoom of a state", 37.7749, -122.4194, 5, "California", "us"},
		{"zoom of a county", 37.7749, -122.4194, 8, "City and County of San Francisco", "us"},
		{"zoom of a county where there is none", 39.9, 116.4, 8, "Beijing", "cn"},
		{"zoom of a city", 37.7749, -122.4194, 10, "San Francisco", "us"},
		{"negative zoom", 48.85, 2.35, -5, "France", "fr"},
		{"far out at sea", 0, -30, 18, "", ""},
		{"the other far sea", 0, 180, 3, "", ""},
		{"North Pole", 90, 0, 3, "", ""},
		{"South Pole", -90, 0, 18, "Antarctica", "aq"},
		{"Antarctica at the date line", -86, 180, 18, "Antarctica", "aq"},
		{"off the globe", 91, 0, 18, "", ""},
		{"off the globe eastwards", 0, 181, 18, "", ""},
		{"not a number", math.NaN(), 0, 18, "", ""},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := geo.Point{Lat: tt.lat, Lon: tt.lon}
			m, ok := g.Reverse(p, tt.zoom)
			if ok != (tt.want != "") || m.Name != tt.want || m.CountryCode != tt.country {
				t.Errorf("Reverse(%v, %d) = %q (%s), want %q (%s)", p, tt.zoom, m.Name, m.CountryCode, tt.want, tt.country)
			}
		})
	}
}

// TestReverseOfEveryCapital asks for the very middle of each capital.
func TestReverseOfEveryCapital(t *testing.T) {
	g := load(t)
	capitals := 0
	for i := range g.file.Places() {
		capital := g.match(g.file.Areas() + i)
		if !capital.capital {
			continue
		}
		capitals++
		m, ok := g.Reverse(capital.Point, 10)
		if !ok || m.CountryCode != capital.CountryCode {
			t.Errorf("Reverse(%v) = %q (%s), want %q (%s)", capital.Point, m.Name, m.CountryCode, capital.Name, capital.CountryCode)
		}
	}
	if capitals < 200 {
		t.Errorf("%d capitals, want those of all countries", capitals)
	}
}

func FuzzReverse(f *testing.F) {
	f.Add(47.14, 9.52, 18)
	f.Add(-90.0, 180.0, 0)
	f.Add(89.9999999, -179.9999999, 30)
	g := load(f)
	f.Fuzz(func(t *testing.T, lat, lon float64, zoom int) {
		p := geo.Point{Lat: lat, Lon: lon}
		m, ok := g.Reverse(p, zoom)
		if ok && (!p.Valid() || m.Name == "" || len(m.CountryCode) != 2 || !m.Point.Valid()) {
			t.Errorf("Reverse(%v, %d) = %+v", p, zoom, m)
		}
	})
}

func BenchmarkReverse(b *testing.B) {
	g := load(b)
	for _, bb := range []struct {
		name string
		p    geo.Point
	}{{"city", geo.Point{Lat: 48.85, Lon: 2.35}}, {"border", geo.Point{Lat: 47.14, Lon: 9.52}}, {"sea", geo.Point{Lat: 0, Lon: -30}}} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				g.Reverse(bb.p, 18)
			}
		})
	}
}

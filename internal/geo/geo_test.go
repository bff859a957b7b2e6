package geo

import (
	"math"
	"testing"
)

func TestDistance(t *testing.T) {
	tests := []struct {
		name   string
		a, b   Point
		metres float64
	}{
		{"same point", Point{47.14, 9.52}, Point{47.14, 9.52}, 0},
		{"one degree of latitude", Point{0, 0}, Point{1, 0}, EarthRadius * math.Pi / 180},
		{"across the date line", Point{0, 179.5}, Point{0, -179.5}, EarthRadius * math.Pi / 180},
		{"antipodes", Point{90, 0}, Point{-90, 0}, EarthRadius * math.Pi},
		// The example of the GEODIST documentation of Redis.
		{"Palermo to Catania", Point{38.115556, 13.361389}, Point{37.502669, 15.087269}, 166274.1516},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Distance(tt.a, tt.b); math.Abs(got-tt.metres) > 1 {
				t.Errorf("Distance(%v, %v) = %.4f m, want %.4f m", tt.a, tt.b, got, tt.metres)
			}
		})
	}
}

func TestValid(t *testing.T) {
	tests := []struct {
		name  string
		point Point
		want  bool
	}{
		{"origin", Point{}, true},
		{"corners", Point{-90, 180}, true},
		{"latitude too large", Point{90.0001, 0}, false},
		{"longitude too small", Point{0, -180.0001}, false},
		{"not a number", Point{math.NaN(), 0}, false},
		{"infinite", Point{0, math.Inf(1)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.point.Valid(); got != tt.want {
				t.Errorf("%v.Valid() = %t, want %t", tt.point, got, tt.want)
			}
		})
	}
}

package request

import (
	"math"
	"testing"
)

func TestFindPair(t *testing.T) {
	tests := []struct {
		q        string
		lat, lon float64
		rest     string
	}{
		{"47.14 9.52", 47.14, 9.52, ""},
		{"47.14,9.52", 47.14, 9.52, ""},
		{"47.14, 9.52", 47.14, 9.52, ""},
		{" 47.14, 9.52 ", 47.14, 9.52, ""},
		{"47.14\n9.52", 47.14, 9.52, ""},
		{"[47.14,9.52]", 47.14, 9.52, ""},
		{"-47.14 +9.52", -47.14, 9.52, ""},
		{"cafe 47.14 9.52", 47.14, 9.52, "cafe"},
		{"47.14,9.52 cafe", 47.14, 9.52, "cafe"},
		{"N 47.14 E 9.52", 47.14, 9.52, ""},
		{"N47.14°, W9.52°", 47.14, -9.52, ""},
		{"47.14° S, 9.52° E", -47.14, 9.52, ""},
		{"S 47.14 W 9.52", -47.14, -9.52, ""},
		{"47 8 N 9 31 E", 47.0 + 8.0/60, 9.0 + 31.0/60, ""},
		{"N 47° 8' E 9° 31'", 47.0 + 8.0/60, 9.0 + 31.0/60, ""},
		{"47° 8.52′ S 9° 31.2′ W", -47.142, -9.52, ""},
		{"47°8′31″ N 9°31′12″ E", 47.0 + 8.0/60 + 31.0/3600, 9.52, ""},
		{"N 47 8 31 E 9 31 12.5 Vaduz", 47.0 + 8.0/60 + 31.0/3600, 9.0 + 31.0/60 + 12.5/3600, "Vaduz"},
		{"٤٧.١ ٩.٥", 47.1, 9.5, ""},
		{"𝟜𝟟.𝟙 𝟡.𝟝", 47.1, 9.5, ""},
		{"47.14\u00a09.52", 47.14, 9.52, ""},
		{"91.0 181.5", 91, 181.5, ""},
		{"N 47 8.1.2 E 9 31", math.NaN(), 9.0 + 31.0/60, ""},
	}
	for _, tt := range tests {
		got, ok := findPair(tt.q)
		if !ok || !near(got.point.Lat, tt.lat) || !near(got.point.Lon, tt.lon) || got.rest != tt.rest {
			t.Errorf("findPair(%q) = %+v, %v, want %v, %v and %q", tt.q, got, ok, tt.lat, tt.lon, tt.rest)
		}
	}
	for _, q := range []string{
		"", "Vaduz", "Zollstrasse 82", "9490 Vaduz", "12.5 Main Street", "Straße 1.2 und 3", "47.14", "47 9",
		"1.1.2020 party 3", "cafe 47.14 9.52 bar", "South 1 West 2 North 3 East 4", "SW1A 1AA, 10 E 4th St 5 N",
		"Version 1.2a 3.4b",
	} {
		if got, ok := findPair(q); ok {
			t.Errorf("findPair(%q) = %+v, want none", q, got)
		}
	}
}

func near(a, b float64) bool {
	return math.Abs(a-b) < 1e-9 || math.IsNaN(a) && math.IsNaN(b)
}

// The quick look must never hide a pair from the patterns.
func FuzzMayHoldPair(f *testing.F) {
	for _, s := range []string{"47.14 9.52", "N 47 8 E 9 31", "47°8′31″ N 9°31′12″ E", "x 1.2,3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		if found, ok := matchPair(q); ok && !mayHoldPair(q) {
			t.Errorf("mayHoldPair(%q) = false, but it holds %+v", q, found)
		}
	})
}

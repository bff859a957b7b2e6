package upstream

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicies(t *testing.T) {
	tests := []struct {
		spec                         string
		autocomplete, export, public bool
		maxTTL, rate                 string
	}{
		{"nominatim+https://geo.example.org", true, true, false, "0s", "0/0s"},
		{"nominatim+https://nominatim.openstreetmap.org", false, false, true, "0s", "1/s"},
		{"photon+https://photon.komoot.io", true, true, true, "0s", "1/s"},
		{"photon+https://photon.komoot.io#rate=2/s", true, true, true, "0s", "2/s"},
		{"photon+https://photon.example.org", true, true, false, "0s", "0/0s"},
		{"locationiq+https://us1.locationiq.com/v1?key=x", true, false, true, "48h0m0s", "2/s"},
		{"locationiq+https://us1.locationiq.com/v1?key=x#max_ttl=720h", true, false, true, "720h0m0s", "2/s"},
		{"opencage+https://api.opencagedata.com/geocode/v1?key=x", false, true, true, "0s", "1/s"},
	}
	for _, tt := range tests {
		specs, err := ParseSpecs(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		s := specs[0]
		got := []any{s.Policy.Autocomplete, s.Policy.Export, s.Policy.Public, s.MaxTTL.String(), s.Rate.String()}
		if diff := cmp.Diff([]any{tt.autocomplete, tt.export, tt.public, tt.maxTTL, tt.rate}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.spec, diff)
		}
	}
}

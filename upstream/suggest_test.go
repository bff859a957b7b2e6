package upstream

import (
	"slices"
	"testing"
)

// Who is asked for suggestions: no Nominatim of any kind, and nobody whose terms
// forbid it.
func TestSuggesters(t *testing.T) {
	for _, c := range []struct {
		upstreams string
		want      []string
	}{
		{"gazetteer", nil},
		{"nominatim+https://nominatim.openstreetmap.org", nil},
		{"nominatim+https://geo.example.org", nil},
		{"locationiq+https://eu1.locationiq.com/v1?key=k,opencage+https://api.opencagedata.com/geocode/v1?key=k", nil},
		{"gazetteer,photon+https://photon.example.org,pelias+https://pelias.example.org", []string{"photon", "pelias"}},
		{"nominatim+https://geo.example.org,photon+https://photon.example.org#name=own", []string{"own"}},
		{"photon+https://a.example#name=a,photon+https://b.example#name=b,photon+https://c.example#name=c,photon+https://d.example#name=d", []string{"a", "b", "c"}},
	} {
		specs, err := ParseSpecs(c.upstreams)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := New(specs, Config{Contact: "test@example.org", Gazetteer: &scripted{}})
		if err != nil {
			t.Fatal(err)
		}
		if got := chain.Suggesters(); !slices.Equal(got, c.want) {
			t.Errorf("with %s %q are asked for suggestions, want %q", c.upstreams, got, c.want)
		}
	}
}

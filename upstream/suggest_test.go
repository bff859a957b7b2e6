package upstream

import (
	"slices"
	"testing"
)

// Who is asked for suggestions: no Nominatim of any kind, and nobody whose terms
// forbid it; files of this machine may always be asked.
func TestSuggesters(t *testing.T) {
	for _, c := range []struct {
		upstreams string
		want      []string
		local     bool
	}{
		{"gazetteer", nil, true},
		{"nominatim+https://nominatim.openstreetmap.org", nil, true},
		{"nominatim+https://geo.example.org", nil, true},
		{"locationiq+https://eu1.locationiq.com/v1?key=k,opencage+https://api.opencagedata.com/geocode/v1?key=k", nil, true},
		{"gazetteer,photon+https://photon.example.org,pelias+https://pelias.example.org", []string{"photon", "pelias"}, false},
		{"nominatim+https://geo.example.org,photon+https://photon.example.org#name=own", []string{"own"}, false},
		{"photon+https://a.example#name=a,photon+https://b.example#name=b,photon+https://c.example#name=c,photon+https://d.example#name=d", []string{"a", "b", "c"}, false},
		{"streets+file:a.streets#name=town", []string{"town"}, true},
		{"streets+file:a.streets#name=town,photon+https://photon.example.org", []string{"town", "photon"}, false},
	} {
		specs, err := ParseSpecs(c.upstreams)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := New(specs, Config{Contact: "test@example.org", Gazetteer: &scripted{}, Files: func(Spec) (Provider, error) { return &scripted{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if got := chain.Suggesters(); !slices.Equal(got, c.want) {
			t.Errorf("with %s %q are asked for suggestions, want %q", c.upstreams, got, c.want)
		}
		if got := chain.SuggestsLocally(); got != c.local {
			t.Errorf("with %s suggestions are made in the process: %t, want %t", c.upstreams, got, c.local)
		}
	}
}

// dated is a provider whose data changes.
type dated struct {
	scripted
	date string
}

func (d *dated) DataVersion() string { return d.date }

// Suggestions of a file that was replaced are not those of the new one.
func TestSuggestIdentityChangesWithTheData(t *testing.T) {
	file := &dated{date: "monday"}
	specs, err := ParseSpecs("gazetteer,streets+file:a.streets")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := New(specs, Config{Gazetteer: &scripted{}, Files: func(Spec) (Provider, error) { return file, nil }})
	if err != nil {
		t.Fatal(err)
	}
	before := chain.SuggestIdentity()
	if again := chain.SuggestIdentity(); again != before {
		t.Errorf("SuggestIdentity() = %q, then %q with the same data", before, again)
	}
	file.date = "tuesday"
	if after := chain.SuggestIdentity(); after == before {
		t.Errorf("SuggestIdentity() = %q for both states of the data", after)
	}
}

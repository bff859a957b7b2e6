package routing

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseSpecs(t *testing.T) {
	tests := []struct{ list, want string }{
		{"", "[]"},
		{" , ", "[]"},
		{"osrm+http://osrm:5000", "osrm osrm driving 0s/1/0 5s 10000 0"},
		{"osrm+http://osrm:5000/#profile=car", "osrm osrm car 0s/1/0 5s 10000 0"},
		{"valhalla+https://v.example.org#costing=taxi&name=own&rate=5/s&burst=3&concurrency=2&timeout=2s",
			"valhalla own taxi 200ms/3/2 2s 2500 400"},
		{"valhalla+http://v:8002#max_pairs=50000&max_km=1000", "valhalla valhalla auto 0s/1/0 5s 10000 1000"},
		{"valhalla+http://v:8002,osrm+http://o:5000", "valhalla valhalla auto 0s/1/0 5s 2500 400 osrm osrm driving 0s/1/0 5s 10000 0"},
	}
	for _, tt := range tests {
		specs, err := ParseSpecs(tt.list)
		if err != nil {
			t.Errorf("ParseSpecs(%q): %v", tt.list, err)
		}
		var got []string
		for _, s := range specs {
			got = append(got, fmt.Sprintf("%s %s %s %s/%d/%d %s %d %g",
				s.Kind, s.Name, s.Profile, s.Rate.Interval(), s.Burst, s.Concurrency, s.Timeout, s.MaxPairs, s.MaxKM))
		}
		if shown := strings.Join(got, " "); shown != strings.Trim(tt.want, "[]") {
			t.Errorf("ParseSpecs(%q) = %s, want %s", tt.list, shown, tt.want)
		}
	}
}

func TestParseSpecsNamesEveryMistake(t *testing.T) {
	tests := []struct{ list, want string }{
		{"https://u:HUSH@osrm", "router 1 (unknown kind): expected kind+URL, the kind one of: osrm, valhalla"},
		{"osrm", `router 1 (osrm): expected an http or https URL after "osrm+"`},
		{"osrm+ftp://u:HUSH@x", `router 1 (osrm): expected an http or https URL after "osrm+"`},
		{"osrm+http://o#profile=../x", "profile: expected up to 32 letters"},
		{"osrm+http://o#costing=auto", "costing: unknown option, expected one of: burst, concurrency, max_km, max_pairs, name, profile, rate, timeout"},
		{"valhalla+http://v#profile=auto", "profile: unknown option"},
		{"valhalla+http://v#rate=0/s", "rate: expected calls"},
		{"valhalla+http://v#timeout=0s", "timeout: expected a time"},
		{"valhalla+http://v#burst=1&burst=2", "burst: given more than once"},
		{"valhalla+http://v#max_pairs=0", "max_pairs: expected a whole number above 0"},
		{"osrm+http://a,osrm+http://b", `router 2 (osrm): name: "osrm" is taken, give it another by #name=`},
	}
	for _, tt := range tests {
		_, err := ParseSpecs(tt.list)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "HUSH") {
			t.Errorf("ParseSpecs(%q): %v, want %q and no secret", tt.list, err, tt.want)
		}
	}
	_, err := ParseSpecs("osrm+http://o#rate=x&timeout=y,foo")
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 3 {
		t.Errorf("%d mistakes told, want 3: %v", n, err)
	}
}

func TestSpecShowsNoSecrets(t *testing.T) {
	specs, err := ParseSpecs("osrm+https://HUSH:HUSH@osrm.example.org/a?key=HUSH")
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v", specs, specs[0]); strings.Contains(shown, "HUSH") {
		t.Errorf("a secret shows: %s", shown)
	}
	if specs[0].Timeout != 5*time.Second {
		t.Errorf("Timeout = %s", specs[0].Timeout)
	}
}

package upstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseSpecs(t *testing.T) {
	specs, err := ParseSpecs(" nominatim+https://u:pw@Geo.Example.org:8443/nom/?key=K#name=own&rate=5/s&burst=3&concurrency=2&timeout=2s&max_ttl=48h&on_empty=next , gazetteer")
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != 2 {
		t.Fatalf("ParseSpecs gave %d specs, want 2", len(specs))
	}
	s := specs[0]
	got := fmt.Sprint(s.Kind, s.Name, s.Rate, s.Burst, s.Concurrency, s.Timeout, s.MaxTTL, s.OnEmptyNext, s.address.Base, s.address.Secret, s.address.Host)
	want := fmt.Sprint("nominatim", "own", Rate{Calls: 5, Per: time.Second}, 3, 2, 2*time.Second, 48*time.Hour, true,
		"https://u:pw@Geo.Example.org:8443/nom", "key=K", "geo.example.org")
	if got != want {
		t.Errorf("ParseSpecs = %s, want %s", got, want)
	}
	if g := specs[1]; g.Kind != "gazetteer" || g.Name != "gazetteer" || g.Timeout != DefaultTimeout || g.Burst != 1 {
		t.Errorf("second spec = %+v", g)
	}
}

func TestSpecShowsNoSecrets(t *testing.T) {
	specs, err := ParseSpecs("nominatim+https://HUSH:HUSH@geo.example.org/a?key=HUSH#name=own")
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{specs[0].String(), fmt.Sprintf("%v", specs[0]), fmt.Sprintf("%+v", specs), fmt.Sprint(&specs[0])} {
		if strings.Contains(shown, "HUSH") {
			t.Errorf("a secret shows: %s", shown)
		}
	}
	if got, want := specs[0].String(), "nominatim+https://geo.example.org/a#name=own"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, list := range []string{"HUSH", "nominatim+HUSH", "nominatim+ftp://HUSH@x", "nominatim+https://x:HUSH", "https://x?key=HUSH"} {
		if _, err := ParseSpecs(list); err == nil || strings.Contains(err.Error(), "HUSH") {
			t.Errorf("ParseSpecs(%q) = %v, want an error without the secret", list, err)
		}
	}
}

func TestParseSpecsReportsAllMistakes(t *testing.T) {
	_, err := ParseSpecs("nominatim+geo.example.org#rate=5&timeout=soon&color=red," +
		"carrier-pigeon+https://x," +
		"gazetteer#max_ttl=-1s&on_empty=stop," +
		"gazetteer+https://x#name=," +
		"nominatim+http://a#concurrency=0&burst=x&name=b&name=c," +
		"nominatim+https://nominatim.openstreetmap.org#name=osm&rate=2/s&concurrency=4&burst=9," +
		"streets+https://x")
	if err == nil {
		t.Fatal("ParseSpecs took nonsense")
	}
	for _, want := range []string{
		`upstream 1 (nominatim): expected an http or https URL after "nominatim+"`,
		"upstream 1 (nominatim): rate: expected calls per second",
		"upstream 1 (nominatim): timeout: expected a time such as",
		"upstream 1 (nominatim): color: unknown option",
		"upstream 2 (unknown kind): expected kind+URL, the kind one of: ",
		"upstream 3 (gazetteer): max_ttl: expected a time",
		`upstream 3 (gazetteer): on_empty: expected "next"`,
		"upstream 4 (gazetteer): it is built in and takes no URL",
		"upstream 4 (gazetteer): name: expected",
		`upstream 4 (gazetteer): name: "gazetteer" is taken`,
		"upstream 5 (nominatim): concurrency: expected a whole number",
		"upstream 5 (nominatim): burst: expected a whole number",
		"upstream 5 (nominatim): name: given more than once",
		"upstream 6 (nominatim): rate: the terms of nominatim.openstreetmap.org allow at most 1/s",
		"upstream 6 (nominatim): concurrency: the terms of nominatim.openstreetmap.org allow at most 1",
		"upstream 6 (nominatim): burst: the terms of nominatim.openstreetmap.org allow none",
		`upstream 7 (streets): expected file:PATH after "streets+"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if _, err := ParseSpecs(" , "); err == nil {
		t.Error("ParseSpecs took an empty list")
	}
}

func TestFilesOfStreets(t *testing.T) {
	specs, err := ParseSpecs("streets+file:a.streets;/b/c.streets#on_empty=next,gazetteer")
	if err != nil {
		t.Fatal(err)
	}
	s := specs[0]
	if len(s.Files) != 2 || s.Files[0] != "a.streets" || s.Files[1] != "/b/c.streets" || !s.OnEmptyNext || s.Name != "streets" {
		t.Errorf("spec = %+v", s)
	}
	if want := "streets+file:a.streets;/b/c.streets#name=streets"; s.String() != want {
		t.Errorf("String = %q, want %q", s, want)
	}
}

func TestPublicNominatim(t *testing.T) {
	for _, host := range []string{"nominatim.openstreetmap.org", "NOMINATIM.openstreetmap.org.", "nominatim.openstreetmap.org:443"} {
		specs, err := ParseSpecs("nominatim+https://" + host)
		if err != nil {
			t.Fatal(err)
		}
		s := specs[0]
		if s.Rate != (Rate{Calls: 1, Per: time.Second}) || s.Concurrency != 1 || !s.Policy.Public || s.Policy.Autocomplete || !s.NeedsContact() {
			t.Errorf("%s: spec %+v lacks the terms of the public server", host, s)
		}
		if _, err := New(specs, Config{}); err == nil || !strings.Contains(err.Error(), "UPSTREAM_CONTACT") {
			t.Errorf("New without a contact: %v, want a refusal", err)
		}
		c, err := New(specs, Config{Contact: "ops@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Canonical(Details, ParseQuery("osmtype=R&osmid=48"), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Geocode(t.Context(), r, People); !errors.Is(err, ErrForbidden) {
			t.Errorf("Geocode of /details: %v, want %v", err, ErrForbidden)
		}
		c.Close()
	}
	slow, err := ParseSpecs("nominatim+https://nominatim.openstreetmap.org#rate=20/m")
	if err != nil || slow[0].Rate != (Rate{Calls: 20, Per: time.Minute}) {
		t.Errorf("a slower rate: %+v, %v, want it taken", slow, err)
	}
}

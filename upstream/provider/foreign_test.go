package provider_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

func TestConformance(t *testing.T) {
	for _, kind := range []string{"nominatim", "photon", "pelias", "locationiq", "opencage"} {
		t.Run(kind, func(t *testing.T) { upstreamtest.Conform(t, kind) })
	}
}

// foreignChain returns a stand-in of a kind and a chain over it.
func foreignChain(t *testing.T, kind string) (*upstreamtest.Server, *upstream.Chain) {
	t.Helper()
	s := upstreamtest.NewKind(t, kind)
	return s, newChain(t, kind+"+"+s.URL+"?key=k#rate=1000/s", upstream.Config{})
}

// What clients read of a place is there, whoever knows it.
func TestForeignPlaces(t *testing.T) {
	type result struct {
		OSMType     string            `json:"osm_type"`
		OSMID       int64             `json:"osm_id"`
		Lat         string            `json:"lat"`
		Lon         string            `json:"lon"`
		Category    string            `json:"category"`
		Type        string            `json:"type"`
		AddressType string            `json:"addresstype"`
		Name        string            `json:"name"`
		DisplayName string            `json:"display_name"`
		Address     map[string]string `json:"address"`
		Box         []string          `json:"boundingbox"`
	}
	berlin := map[string]string{"city": "Berlin", "country": "Germany", "country_code": "de"}
	house := map[string]string{
		"house_number": "21", "road": "Unter den Linden", "suburb": "Mitte", "city": "Berlin",
		"postcode": "10117", "country": "Germany", "country_code": "de",
	}
	peliasHouse := map[string]string{
		"house_number": "21", "road": "Unter den Linden", "neighbourhood": "Mitte", "city": "Berlin",
		"state": "Berlin", "postcode": "10117", "country": "Germany", "country_code": "de",
	}
	country := map[string]string{"country": "Germany", "country_code": "de"}
	box := []string{"52.3382448", "52.6755087", "13.0883450", "13.7611609"}
	const linden = "21, Unter den Linden, Mitte, Berlin, 10117, Germany"
	search, reverse, coarse := "search?q=Berlin&limit=1&addressdetails=1", "reverse?format=jsonv2&"+upstreamtest.KnownPoint,
		"reverse?format=jsonv2&zoom=3&"+upstreamtest.KnownPoint
	tests := []struct {
		kind, target string
		want         result
	}{
		{"photon", search, result{"relation", 62422, "52.5170365", "13.3888599", "place", "city", "city", "Berlin", "Berlin, Germany", berlin, box}},
		{"photon", reverse, result{"node", 2862061, "52.5170000", "13.3888000", "building", "yes", "building", "", linden, house, nil}},
		{"photon", coarse, result{"relation", 51477, "51.1638175", "10.4478313", "place", "country", "country", "Germany", "Germany", country, nil}},
		{"pelias", search, result{"", 0, "52.5249320", "13.4070320", "place", "locality", "city", "Berlin", "Berlin, Germany",
			map[string]string{"city": "Berlin", "state": "Berlin", "country": "Germany", "country_code": "de"},
			[]string{"52.3382610", "52.6755090", "13.0883330", "13.7611310"}}},
		{"pelias", reverse, result{"node", 2862061, "52.5170000", "13.3888000", "place", "house", "building", "",
			"Unter den Linden 21, Berlin, Germany", peliasHouse, nil}},
		{"pelias", coarse, result{"", 0, "51.1000000", "10.4000000", "place", "country", "country", "Germany", "Germany", country, nil}},
		{"locationiq", search, result{"relation", 62422, "52.5170365", "13.3888599", "boundary", "administrative", "city", "Berlin", "Berlin, Germany", berlin, box}},
		{"locationiq", reverse, result{"node", 2862061, "52.5170000", "13.3888000", "", "", "building", "", linden, house,
			[]string{"52.5169000", "52.5171000", "13.3887000", "13.3889000"}}},
		{"locationiq", coarse, result{"relation", 51477, "51.1638175", "10.4478313", "", "", "country", "Germany", "Germany", country,
			[]string{"47.2000000", "55.1000000", "5.8000000", "15.1000000"}}},
		{"opencage", search, result{"", 0, "52.5170365", "13.3888599", "place", "city", "city", "Berlin", "Berlin, Germany", berlin, box}},
		{"opencage", reverse, result{"", 0, "52.5170000", "13.3888000", "building", "building", "building", "",
			"Unter den Linden 21, 10117 Berlin, Germany", house, []string{"52.5169000", "52.5171000", "13.3887000", "13.3889000"}}},
		{"opencage", coarse, result{"", 0, "52.5170000", "13.3888000", "place", "country", "country", "Germany", "Germany", country, nil}},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.target, func(t *testing.T) {
			_, chain := foreignChain(t, tt.kind)
			a, err := chain.Geocode(t.Context(), request(t, tt.target), upstream.People)
			if err != nil {
				t.Fatal(err)
			}
			body := a.Body
			if strings.HasPrefix(tt.target, "reverse") {
				body = []byte("[" + string(body) + "]")
			}
			var got []result
			if err := json.Unmarshal(body, &got); err != nil || len(got) != 1 {
				t.Fatalf("body %s: %v, want one place", body, err)
			}
			if diff := cmp.Diff(tt.want, got[0]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// How the parameters of Nominatim are put to each kind.
func TestForeignQuestions(t *testing.T) {
	search := "search?q=Berlin&limit=3&countrycodes=de,at&viewbox=13,52,14,53"
	structured := "search?street=Unter+den+Linden+1&city=Berlin&country=de"
	reverse := "reverse?lat=1&lon=2&zoom=10"
	tests := []struct {
		kind, target, want string
	}{
		{"photon", search, "/api?countrycode=AT&countrycode=DE&lat=52.5&limit=3&lon=13.5&q=berlin&key=k"},
		{"photon", search + "&bounded=1", "/api?bbox=13%2C52%2C14%2C53&countrycode=AT&countrycode=DE&limit=3&q=berlin&key=k"},
		{"photon", structured, "/api?limit=10&q=unter+den+linden+1%2C+berlin%2C+de&key=k"},
		{"photon", reverse, "/reverse?lat=1&layer=city&limit=1&lon=2&key=k"},
		{"pelias", search, "/v1/search?boundary.country=AT%2CDE&focus.point.lat=52.5&focus.point.lon=13.5&size=3&text=berlin&key=k"},
		{"pelias", search + "&bounded=1", "/v1/search?boundary.country=AT%2CDE&boundary.rect.max_lat=53&boundary.rect.max_lon=14" +
			"&boundary.rect.min_lat=52&boundary.rect.min_lon=13&size=3&text=berlin&key=k"},
		{"pelias", structured, "/v1/search/structured?address=unter+den+linden+1&country=de&locality=berlin&size=10&key=k"},
		{"pelias", reverse, "/v1/reverse?layers=locality&point.lat=1&point.lon=2&size=1&key=k"},
		{"locationiq", search + "&bounded=1&extratags=1&namedetails=1", "/search?accept-language=native&addressdetails=1&bounded=1&countrycodes=at%2Cde" +
			"&extratags=1&format=json&limit=3&namedetails=1&q=berlin&viewbox=13%2C52%2C14%2C53&key=k"},
		{"locationiq", structured, "/search/structured?accept-language=native&addressdetails=1&city=berlin&country=de&format=json" +
			"&limit=10&street=unter+den+linden+1&key=k"},
		{"locationiq", reverse, "/reverse?accept-language=native&addressdetails=1&format=json&lat=1&lon=2&zoom=10&key=k"},
		{"opencage", search, "/json?countrycode=at%2Cde&language=native&limit=3&no_annotations=1&no_record=1&proximity=52.5%2C13.5&q=berlin&key=k"},
		{"opencage", search + "&bounded=1", "/json?bounds=13%2C52%2C14%2C53&countrycode=at%2Cde&language=native&limit=3&no_annotations=1&no_record=1&q=berlin&key=k"},
		{"opencage", reverse, "/json?language=native&limit=1&no_annotations=1&no_record=1&q=1%2C2&key=k"},
		{"photon", "search?q=52.5,13.4", "/reverse?lat=52.5&limit=1&lon=13.4&key=k"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.target, func(t *testing.T) {
			s, chain := foreignChain(t, tt.kind)
			if _, err := chain.Geocode(t.Context(), request(t, tt.target), upstream.People); err != nil {
				t.Fatal(err)
			}
			if got := s.Last().URL.RequestURI(); got != tt.want {
				t.Errorf("sent %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestForeignExcludesPlaces(t *testing.T) {
	_, chain := foreignChain(t, "photon")
	a, err := chain.Geocode(t.Context(), request(t, "search?q=Berlin&exclude_place_ids=r62422,9"), upstream.People)
	if err != nil || !strings.Contains(string(a.Body), "Olympiastadion") || strings.Contains(string(a.Body), "62422") {
		t.Errorf("Geocode = %s, %v, want the stadium only", a.Body, err)
	}
}

// What a kind does not offer is asked of the next one that does, and that is
// no fallback. Where nobody offers it, it is refused.
func TestForeignEndpoints(t *testing.T) {
	photon, nominatim := upstreamtest.NewKind(t, "photon"), upstreamtest.New(t)
	both := newChain(t, "photon+"+photon.URL+",nominatim+"+nominatim.URL, upstream.Config{})
	a, err := both.Geocode(t.Context(), request(t, "lookup?osm_ids=R48&format=jsonv2"), upstream.People)
	if err != nil || a.Provider != "nominatim" || a.Fallback() || a.Outcome != upstream.Found {
		t.Errorf("lookup = %+v, %v, want Nominatim's answer", a, err)
	}
	alone := newChain(t, "photon+"+photon.URL, upstream.Config{})
	tests := []struct {
		target, body string
		status       int
	}{
		{"lookup?osm_ids=R48&format=json", `{"error":{"code":404,"message":"The upstream does not offer /lookup."}}`, 404},
		{"lookup?format=nope", "ERROR 400: Parameter 'format' must be one of: xml, geojson, geocodejson, json, jsonv2", 400},
		{"status?", "OK", 200},
	}
	for _, tt := range tests {
		a, err := alone.Geocode(t.Context(), request(t, tt.target), upstream.People)
		if err != nil || a.Status != tt.status || string(a.Body) != tt.body || !a.NoStore {
			t.Errorf("%s = %d %s, %v, want %d %s, not to be stored", tt.target, a.Status, a.Body, err, tt.status, tt.body)
		}
	}
	if n := photon.Calls(); n != 0 {
		t.Errorf("Photon was asked %d times for what it does not offer", n)
	}
}

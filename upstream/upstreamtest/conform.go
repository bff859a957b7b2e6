package upstreamtest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"testing"

	"geogate/internal/place"
	"geogate/upstream"
)

// Conform checks what every kind of upstream promises, over real HTTP against
// its stand-in: places in all of Nominatim's formats, Nominatim's empty answers
// and refusals, faults told apart, and nothing of secrets and addresses in
// errors.
func Conform(t *testing.T, kind string) {
	c := conformance{kind: kind}
	t.Run("places", c.places)
	t.Run("nothing found", c.nothing)
	t.Run("refusals", c.refusals)
	t.Run("faults", c.faults)
	t.Run("languages", c.languages)
}

type conformance struct{ kind string }

// chain starts a stand-in and a chain over it.
func (c conformance) chain(t *testing.T) (*Server, *upstream.Chain) {
	t.Helper()
	return c.chainWith(t, "")
}

func (c conformance) chainWith(t *testing.T, options string) (*Server, *upstream.Chain) {
	t.Helper()
	s, key := New(t), ""
	if c.kind != "nominatim" {
		s, key = NewKind(t, c.kind), "?key="+needsKey
	}
	return s, chainFor(t, c.kind+"+"+s.URL+key+"#name=it&rate=1000/s"+options)
}

func chainFor(t *testing.T, upstreams string) *upstream.Chain {
	t.Helper()
	specs, err := upstream.ParseSpecs(upstreams)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := upstream.New(specs, upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	return chain
}

func canonical(t *testing.T, target, language string) upstream.Request {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	req, err := upstream.Canonical(upstream.Endpoint(path), upstream.ParseQuery(query), language)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// known are questions that the stand-in has an answer to.
func (c conformance) known() (search, reverse string) {
	if c.kind == "nominatim" {
		return "search?q=Vaduz", "reverse?lat=47.14&lon=9.52"
	}
	return "search?q=Berlin", "reverse?" + KnownPoint
}

func (c conformance) places(t *testing.T) {
	_, chain := c.chain(t)
	search, reverse := c.known()
	for _, format := range place.Formats() {
		for _, target := range []string{search, reverse} {
			if c.kind == "nominatim" && format != place.JSON && format != place.JSONV2 && format != place.GeoJSON {
				continue // not recorded
			}
			req := canonical(t, target+"&format="+string(format), "")
			a, err := chain.Geocode(t.Context(), req, upstream.People)
			if err != nil {
				t.Errorf("%s: %v", req.Key(), err)
				continue
			}
			if a.Outcome != upstream.Found || a.Status != 200 || a.Provider != "it" || a.ContentType != format.ContentType() {
				t.Errorf("%s: %d %s, outcome %s, from %s", req.Key(), a.Status, a.ContentType, a.Outcome, a.Provider)
			}
			if !parses(format, a.Body) {
				t.Errorf("%s: not %s: %s", req.Key(), format, a.Body)
			}
			if !readAsNominatim(t, req, a) {
				t.Errorf("%s: a Nominatim would not say: %s", req.Key(), a.Body)
			}
		}
	}
}

func parses(f place.Format, body []byte) bool {
	if f != place.XML {
		return json.Valid(body)
	}
	return xml.Unmarshal(body, new(struct{ XMLName xml.Name })) == nil
}

// readAsNominatim passes an answer off as a Nominatim's and reports whether it
// is read with the same outcome.
func readAsNominatim(t *testing.T, req upstream.Request, a upstream.Answer) bool {
	t.Helper()
	s := New(t)
	s.SetAnswer(&Fixed{Status: a.Status, ContentType: a.ContentType, Body: string(a.Body)})
	s.canonical, s.exact = nil, nil
	b, err := chainFor(t, "nominatim+"+s.URL).Geocode(t.Context(), req, upstream.People)
	return err == nil && b.Outcome == a.Outcome
}

func (c conformance) nothing(t *testing.T) {
	_, chain := c.chain(t)
	for _, format := range place.Formats() {
		for _, target := range []string{"search?q=nowhere+at+all", "search?q=", "reverse?lat=0&lon=-30", "reverse?lat=91&lon=0"} {
			req := canonical(t, target+"&format="+string(format), "")
			a, err := chain.Geocode(t.Context(), req, upstream.People)
			if err != nil || a.Outcome != upstream.Empty || a.Status != 200 {
				t.Errorf("%s = %d, outcome %q, %v, want it empty", req.Key(), a.Status, a.Outcome, err)
				continue
			}
			if !readAsNominatim(t, req, a) {
				t.Errorf("%s: a Nominatim would not say: %s", req.Key(), a.Body)
			}
		}
	}
}

// refusals: what a Nominatim was recorded to refuse is refused in its words.
func (c conformance) refusals(t *testing.T) {
	_, chain := c.chain(t)
	for _, rec := range Recordings() {
		req, ok := rec.Canonical()
		if !ok || rec.Status != 400 || req.Endpoint() != upstream.Search && req.Endpoint() != upstream.Reverse {
			continue
		}
		if strings.Contains(rec.URL, "exclude_place_ids") && c.kind != "nominatim" {
			continue // what cannot be one of its ids excludes nothing there
		}
		a, err := chain.Geocode(t.Context(), req, upstream.People)
		if err != nil || a.Status != 400 || a.Outcome != upstream.Refused || string(a.Body) != rec.Body || a.ContentType != rec.Header["content-type"] {
			t.Errorf("%s = %d %s %q, %v\nwant %q", rec.URL, a.Status, a.ContentType, a.Body, err, rec.Body)
		}
	}
	if c.kind == "nominatim" {
		return
	}
	// The geocoder's own refusal, too, opens no breaker.
	for range 10 {
		req := canonical(t, "search?format=json&q="+url.QueryEscape(RefusedText), "")
		a, err := chain.Geocode(t.Context(), req, upstream.People)
		if err != nil || a.Status != 400 || a.Outcome != upstream.Refused {
			t.Errorf("the geocoder's refusal = %+v, %v", a, err)
		}
	}
}

func (c conformance) faults(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		kind  error
	}{
		{"throttled", Throttled(3), upstream.ErrThrottled},
		{"quota used up", Failing(402), upstream.ErrThrottled},
		{"wrong key", Failing(401), upstream.ErrUnavailable},
		{"server error", Failing(500), upstream.ErrUnavailable},
		{"page", HTML, upstream.ErrInvalidAnswer},
		{"redirect", Redirect, upstream.ErrInvalidAnswer},
		{"cut off", Truncated, upstream.ErrInvalidAnswer},
		{"hanging", Hang, upstream.ErrTimeout},
	}
	for _, tt := range tests {
		options := ""
		if tt.fault == Hang {
			options = "&timeout=200ms"
		}
		s, chain := c.chainWith(t, options)
		s.SetFault(tt.fault)
		_, err := chain.Geocode(t.Context(), canonical(t, "search?q=Elm+Street", ""), upstream.People)
		var e *upstream.Error
		if !errors.Is(err, tt.kind) || !errors.As(err, &e) || e.Provider != "it" {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.kind)
			continue
		}
		text := strings.ToLower(err.Error())
		if strings.Contains(text, "elm") || strings.Contains(text, "key="+needsKey) {
			t.Errorf("%s: the error shows the address or the key: %s", tt.name, text)
		}
	}
}

// languages: those asked for reach the geocoder, by parameter or header.
func (c conformance) languages(t *testing.T) {
	s, chain := c.chain(t)
	search, _ := c.known()
	if _, err := chain.Geocode(t.Context(), canonical(t, search, "fr-CH,fr;q=0.5"), upstream.People); err != nil {
		t.Fatal(err)
	}
	last := s.Last()
	if sent := last.URL.RawQuery + " " + last.Header.Get("Accept-Language"); !strings.Contains(sent, "fr-CH") {
		t.Errorf("sent %s, want fr-CH in it", sent)
	}
}

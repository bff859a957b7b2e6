package geocoding_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
	"geogate/upstream/upstreamtest"
)

type suggestions struct {
	Cache       bool
	Source      string
	Licence     string
	Suggestions []struct {
		Text        string
		DisplayName string `json:"display_name"`
		Lat, Lon    string
		Type        string
		CountryCode string `json:"country_code"`
	}
}

func suggest(t *testing.T, f *gatewaytest.Fixture, query string, headers ...string) suggestions {
	t.Helper()
	got := f.Do(t, "GET /suggest?"+query, "", headers...)
	if got.StatusCode != 200 {
		t.Fatalf("/suggest?%s = %d %s", query, got.StatusCode, got.Text)
	}
	var s suggestions
	got.JSON(t, &s)
	return s
}

func (s suggestions) texts() string {
	var texts []string
	for _, place := range s.Suggestions {
		texts = append(texts, place.Text)
	}
	return strings.Join(texts, ", ")
}

// over is a gateway in front of upstreams of their own.
func over(t *testing.T, upstreams string) *gatewaytest.Fixture {
	t.Helper()
	f := gatewaytest.New(t)
	f.Upstreams = upstreams
	return f.Sibling(t)
}

// The built-in places answer whatever UPSTREAMS names, and a Nominatim is not asked.
func TestSuggestAsksNoNominatim(t *testing.T) {
	f := gatewaytest.New(t) // in front of a Nominatim
	if suggest(t, f, "q=zur").Cache {
		t.Error("the first answer came from the cache")
	}
	// Nothing is kept before the process has learned which purges there were.
	gatewaytest.Eventually(t, "suggestions come from the cache", func() error {
		if got := suggest(t, f, "q=zur"); !got.Cache || got.Source != "gazetteer" || len(got.Suggestions) != 5 || got.Suggestions[0].Text != "Zürich" {
			return fmt.Errorf("%+v, want five places, Zürich first", got)
		}
		return nil
	})
	first := suggest(t, f, "q=vad&countrycodes=li").Suggestions[0]
	if first.Text != "Vaduz" || first.DisplayName != "Vaduz, Liechtenstein" || !strings.HasPrefix(first.Lat, "47.1") ||
		!strings.HasPrefix(first.Lon, "9.5") || first.Type != "town" || first.CountryCode != "li" {
		t.Errorf("Vaduz is suggested as %+v", first)
	}
	if calls := f.Upstream.Calls(); calls > 0 {
		t.Errorf("the Nominatim was asked %d times", calls)
	}
}

// Nothing of the built-in places goes through Redis: they are made faster.
func TestBuiltInSuggestionsStayInTheProcess(t *testing.T) {
	f := gatewaytest.New(t)
	suggest(t, f, "q=zur")
	for _, key := range f.Keys(t) {
		if strings.Contains(key, "cache") {
			t.Errorf("Redis has %s", key)
		}
	}
}

func TestSuggestParameters(t *testing.T) {
	f := gatewaytest.New(t)
	for _, c := range []struct{ name, query, header, want string }{
		{"limit", "q=zur&limit=1", "", "Zürich"},
		{"another script", "q=%E5%8C%97&limit=1", "", "Beijing"},
		{"near, by lon", "q=tri&lat=47.107&lon=9.528&limit=1", "", "Triesen"},
		{"near, by lng", "q=tri&lat=47.107&lng=9.528&limit=1", "", "Triesen"},
		{"countries in capitals", "q=v&countrycodes=LI&limit=1", "", "Vaduz"},
		{"language of the header", "q=liecht&limit=1", "Accept-Language: fr", "Liechtenstein"},
		{"language of the parameter", "q=schwe&countrycodes=ch&limit=1&accept-language=de", "Accept-Language: fr", "Schweiz"},
		{"nothing", "q=qqqqq", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			if got := suggest(t, f, c.query, headers...); got.texts() != c.want || got.Source != "gazetteer" {
				t.Errorf("%s of %s, want %s", got.texts(), got.Source, c.want)
			}
		})
	}
}

// What upstreams know is merged with the built-in places, each place once.
func TestSuggestMergesUpstreams(t *testing.T) {
	for _, kind := range []string{"photon", "pelias"} {
		t.Run(kind, func(t *testing.T) {
			s := upstreamtest.NewKind(t, kind)
			f := over(t, kind+"+"+s.URL+"#name=own")
			// Nothing is kept before the process has learned which purges there were.
			gatewaytest.Eventually(t, "suggestions are kept", func() error {
				if !suggest(t, f, "q=warm").Cache {
					return errors.New("they are not")
				}
				return nil
			})
			s.Reset()
			for _, cached := range []bool{false, true} {
				got := suggest(t, f, "q=berl&limit=20&lat=52.5&lon=13.4")
				berlins := 0
				for _, place := range got.Suggestions {
					if place.DisplayName == "Berlin, Germany" || place.Text == "Berlin" && place.CountryCode == "de" {
						berlins++
					}
				}
				if got.Cache != cached || berlins != 1 {
					t.Errorf("%+v, want Berlin once, from the cache: %t", got, cached)
				}
				if kind == "photon" && (got.Source != "gazetteer,own" || !strings.Contains(got.texts(), "Olympiastadion")) {
					t.Errorf("%s from %s, want the stadium as well", got.texts(), got.Source)
				}
			}
			if calls := s.Calls(); calls != 1 {
				t.Errorf("the %s was asked %d times for one prefix, want once", kind, calls)
			}
			want := map[string]string{"photon": "/api", "pelias": "/v1/autocomplete"}[kind]
			if path := s.Last().URL.Path; path != want {
				t.Errorf("the %s was asked at %s, want %s", kind, path, want)
			}
		})
	}
}

// An upstream that fails, hangs or has no budget takes nothing from the others, and
// is asked again soon.
func TestSuggestWithoutAnUpstream(t *testing.T) {
	for _, c := range []struct {
		name, options string
		fault         upstreamtest.Fault
	}{
		{"fails", "", upstreamtest.Failing(500)},
		{"throttles", "", upstreamtest.Throttled(60)},
		{"hangs", "", upstreamtest.Hang},
		{"talks nonsense", "", upstreamtest.HTML},
		{"has no budget", "&rate=1/d", upstreamtest.Fault{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := upstreamtest.NewKind(t, "photon")
			f := over(t, "photon+"+s.URL+"#name=own"+c.options)
			s.SetFault(c.fault)
			suggest(t, f, "q=berli") // spends the budget
			got := f.Do(t, "GET /suggest?q=berl", "")
			var list suggestions
			got.JSON(t, &list)
			if list.Source != "gazetteer" || list.texts() == "" {
				t.Errorf("%d %s, want the built-in places", got.StatusCode, got.Text)
			}
			var life int
			if n, _ := fmt.Sscanf(got.Header.Get("Cache-Control"), "public, max-age=%d", &life); n != 1 || life > 5 {
				t.Errorf("Cache-Control is %q, want five seconds at most", got.Header.Get("Cache-Control"))
			}
		})
	}
}

func TestSuggestIsRevalidated(t *testing.T) {
	f := gatewaytest.New(t)
	first := f.Do(t, "GET /suggest?q=vad", "")
	gatewaytest.Eventually(t, "suggestions are kept", func() error {
		again := f.Do(t, "GET /suggest?q=vad", "", "If-None-Match: "+first.Header.Get("ETag"))
		if again.StatusCode != 304 || again.Header.Get("X-Cache") != "HIT" {
			return fmt.Errorf("%d, X-Cache %s, want 304 and HIT", again.StatusCode, again.Header.Get("X-Cache"))
		}
		return nil
	})
	if page := f.Do(t, "GET /suggest?q=vad", "", "Origin: https://shop.example"); page.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("pages of others may not ask: %v", page.Header)
	}
}

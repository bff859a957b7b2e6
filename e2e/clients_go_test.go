package e2e

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/codingsince1985/geo-golang/openstreetmap"
	"github.com/doppiogancio/go-nominatim/geocoder/geocodejson"
	"github.com/doppiogancio/go-nominatim/geocoder/geojson"
	"github.com/doppiogancio/go-nominatim/geocoder/jsonv2"
	"github.com/doppiogancio/go-nominatim/shared"

	"geogate/upstream/upstreamtest"
)

// goClient is a client library as its users get it, pointed at geogate.
type goClient struct {
	name string
	// search and reverse return the first place as the library tells it, and the
	// library's own error.
	search  func(q string) (goPlace, error)
	reverse func(lat, lon float64) (goPlace, error)

	recordedQuery string              // a search that the stand-in has an answer to
	answer        *upstreamtest.Fixed // what it answers where the recording has none
	noSearch      string              // in the library's error when a search finds nothing
	noReverse     string              // the same for reverse
}

type goPlace struct {
	lat, lon float64 // NaN: the library tells none
	name     string
}

// errNone stands for the nil that geo-golang returns without an error.
var errNone = errors.New("no location and no error")

func goClients(base string) []goClient {
	nominatimV2, nominatimGeo, nominatimGeocode := jsonv2.New(base), geojson.New(base), geocodejson.New(base)
	geoGolang := openstreetmap.GeocoderWithURL(base + "/")
	return []goClient{
		{
			name: "geo-golang",
			search: func(q string) (goPlace, error) {
				l, err := geoGolang.Geocode(q)
				switch {
				case err != nil:
					return goPlace{}, err
				case l == nil:
					return goPlace{}, errNone
				}
				return goPlace{l.Lat, l.Lng, ""}, nil
			},
			reverse: func(lat, lon float64) (goPlace, error) {
				a, err := geoGolang.ReverseGeocode(lat, lon)
				switch {
				case err != nil:
					return goPlace{}, err
				case a == nil:
					return goPlace{}, errNone
				}
				return goPlace{math.NaN(), math.NaN(), a.FormattedAddress}, nil
			},
			recordedQuery: "Vaduz",
			answer:        recordedAnswer("/search?q=Vaduz&format=json"), // it asks for limit=1
			noSearch:      errNone.Error(),
			noReverse:     "Unable to geocode",
		},
		{
			name: "go-nominatim jsonv2",
			search: func(q string) (goPlace, error) {
				list, err := nominatimV2.Search(shared.SearchRequest{Q: q})
				if err != nil {
					return goPlace{}, err
				}
				return goPlace{number(list[0].Lat), number(list[0].Lon), list[0].DisplayName}, nil
			},
			reverse: func(lat, lon float64) (goPlace, error) {
				p, err := nominatimV2.Reverse(shared.ReverseGeocodeRequest{Latitude: lat, Longitude: lon})
				if err != nil {
					return goPlace{}, err
				}
				return goPlace{number(p.Lat), number(p.Lon), p.DisplayName}, nil
			},
			recordedQuery: "Vaduz",
			noSearch:      "address not found",
			noReverse:     "Unable to geocode",
		},
		{
			name: "go-nominatim geojson",
			search: func(q string) (goPlace, error) {
				c, err := nominatimGeo.Search(shared.SearchRequest{Q: q})
				if err != nil {
					return goPlace{}, err
				}
				at := c.Features[0].Geometry.Coordinates
				return goPlace{at[1], at[0], c.Features[0].Properties.DisplayName}, nil
			},
			reverse: func(lat, lon float64) (goPlace, error) {
				c, err := nominatimGeo.Reverse(shared.ReverseGeocodeRequest{Latitude: lat, Longitude: lon})
				if err != nil {
					return goPlace{}, err
				}
				at := c.Features[0].Geometry.Coordinates
				return goPlace{at[1], at[0], c.Features[0].Properties.DisplayName}, nil
			},
			recordedQuery: "Vaduz",
			noSearch:      "address not found",
			noReverse:     "Unable to geocode",
		},
		{
			name: "go-nominatim geocodejson",
			search: func(q string) (goPlace, error) {
				c, err := nominatimGeocode.Search(shared.SearchRequest{Q: q})
				if err != nil {
					return goPlace{}, err
				}
				at := c.Features[0].Geometry.Coordinates
				return goPlace{at[1], at[0], c.Features[0].Properties.Geocoding.Label}, nil
			},
			reverse: func(lat, lon float64) (goPlace, error) {
				c, err := nominatimGeocode.Reverse(shared.ReverseGeocodeRequest{Latitude: lat, Longitude: lon})
				if err != nil {
					return goPlace{}, err
				}
				at := c.Features[0].Geometry.Coordinates
				return goPlace{at[1], at[0], c.Features[0].Properties.Geocoding.Label}, nil
			},
			recordedQuery: "Zollstrasse+82", // it escapes nothing itself
			noSearch:      "address not found",
			noReverse:     "Unable to geocode",
		},
	}
}

func TestGoClients(t *testing.T) {
	t.Parallel()
	closeDefaultClient(t)
	t.Run("stand-in", func(t *testing.T) {
		upstream := upstreamtest.New(t)
		g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
		for _, c := range goClients(g.URL) {
			t.Run(c.name, func(t *testing.T) {
				upstream.SetAnswer(c.answer)
				c.checkFound(t, c.recordedQuery)
				upstream.SetAnswer(nil)
				c.checkNotFound(t)
			})
		}
	})
	t.Run("gazetteer", func(t *testing.T) {
		g := start(t, settings("UPSTREAMS", "gazetteer"))
		for _, c := range goClients(g.URL) {
			t.Run(c.name, func(t *testing.T) {
				c.checkFound(t, "Vaduz")
				c.checkNotFound(t)
			})
		}
	})
}

// checkFound looks for a place in Liechtenstein and for what is at Vaduz.
func (c goClient) checkFound(t *testing.T, q string) {
	t.Helper()
	for range 2 { // from the geocoder, then from the cache
		p, err := c.search(q)
		if err != nil {
			t.Errorf("search %q: %v", q, err)
		} else if math.Abs(p.lat-47.16) > 0.1 || math.Abs(p.lon-9.53) > 0.1 {
			t.Errorf("search %q = %+v, want a place in Liechtenstein", q, p)
		}
		p, err = c.reverse(47.14, 9.52)
		if err != nil {
			t.Errorf("reverse of Vaduz: %v", err)
		} else if !strings.Contains(p.name, "Vaduz") || !strings.Contains(p.name, "Liechtenstein") {
			t.Errorf("reverse of Vaduz = %+v", p)
		}
	}
}

func (c goClient) checkNotFound(t *testing.T) {
	t.Helper()
	if p, err := c.search("xyzzyqwertnowhere"); err == nil || !strings.Contains(err.Error(), c.noSearch) {
		t.Errorf("search for nothing = %+v, %v, want error %q", p, err, c.noSearch)
	}
	if p, err := c.reverse(0, -30); err == nil || !strings.Contains(err.Error(), c.noReverse) {
		t.Errorf("reverse of the Atlantic = %+v, %v, want error %q", p, err, c.noReverse)
	}
	if p, err := c.search(""); err == nil {
		t.Errorf("search for an empty text = %+v, want an error", p)
	}
	if p, err := c.reverse(math.NaN(), 9.52); err == nil {
		t.Errorf("reverse of no number = %+v, want an error", p)
	}
}

func number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// recordedAnswer is what the real Nominatim said to another spelling of a
// question.
func recordedAnswer(url string) *upstreamtest.Fixed {
	for _, r := range upstreamtest.Recordings() {
		if r.URL == url {
			return &upstreamtest.Fixed{Status: r.Status, ContentType: r.Header["content-type"], Body: r.Body}
		}
	}
	panic("not recorded: " + url)
}

package geocoding

import (
	"context"
	"testing"
	"time"

	"geogate/cache"
	"geogate/internal/redistest"
	"geogate/upstream"
)

// edition is a provider whose data comes in editions, as the gazetteer's does.
type edition string

func (edition) Name() string { return "gazetteer" }

func (e edition) DataVersion() string { return string(e) }

func (e edition) Geocode(context.Context, upstream.Request) (upstream.Answer, error) {
	return upstream.Answer{Status: 200, Outcome: upstream.Found, ContentType: "application/json", Body: []byte(e), Provider: "gazetteer"}, nil
}

// Two processes of two releases share a Redis. Each serves what its own data
// says, although the other one has stored an answer to the same question.
func TestAnswersOfOlderDataAreNotServed(t *testing.T) {
	server := redistest.Start(t)
	specs, err := upstream.ParseSpecs("gazetteer")
	if err != nil {
		t.Fatal(err)
	}
	req, err := upstream.Canonical(upstream.Search, upstream.ParseQuery("q=hue"), "")
	if err != nil {
		t.Fatal(err)
	}
	process := func(data edition) *Geocoder {
		chain, err := upstream.New(specs, upstream.Config{Gazetteer: data})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(chain.Close)
		store := cache.New(server.Client(t), cache.Config{Memory: 1 << 20, RedisBudget: time.Minute})
		return NewGeocoder(chain, store, Lifetimes{Fresh: time.Hour, Empty: time.Hour, Stale: time.Hour})
	}
	for _, tt := range []struct {
		data  edition
		class cache.Class
	}{
		{"of last year", cache.Miss}, {"of last year", cache.Hit}, {"of this year", cache.Miss}, {"of this year", cache.Hit}, {"of last year", cache.Hit},
	} {
		got, err := process(tt.data).Lookup(t.Context(), req, upstream.People, cache.Directives{})
		if err != nil || string(got.Body) != string(tt.data) || got.Class != tt.class {
			t.Errorf("data %s: %q (%v, %v), want its own answer and %v", tt.data, got.Body, got.Class, err, tt.class)
		}
	}
}

package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"geogate/cache"
	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/bulk"
	"geogate/internal/redistest"
	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// A row is not told that there is nothing while somebody who might know more
// cannot be asked.
func TestRowsWaitForWhoMightKnow(t *testing.T) {
	second := upstreamtest.New(t)
	second.SetFaultFor(upstreamtest.Failing(500), 1)
	second.SetAnswer(upstreamtest.Places(2))
	f := gatewaytest.New(t)
	f.UpstreamOptions = "&on_empty=next,nominatim+" + second.URL + "#name=second"
	f = f.Sibling(t)
	row, err := gateway.RowPlan(f.Geocoder, nil)(bulk.Query{Mode: bulk.Search, Q: "Nowhere 1", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := row.Ask(context.Background()); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("Ask = %+v, %v, want %v", a, err, upstream.ErrUnavailable)
	}
	if a, err := row.Ask(context.Background()); err != nil || a.Outcome != bulk.OutcomeFound || a.Provider != "second" {
		t.Errorf("Ask = %+v, %v, want what the second found", a, err)
	}
}

// A stored "nothing there" that is no longer fresh is no answer for a row while the
// geocoder is down: it waits.
func TestRowsAreNotToldAStaleNothing(t *testing.T) {
	geocoder := upstreamtest.New(t)
	geocoder.SetAnswer(upstreamtest.Places())
	specs, err := upstream.ParseSpecs("nominatim+" + geocoder.URL + "#name=own")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := upstream.New(specs, upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Close)
	store := cache.New(redistest.Start(t).Client(t), cache.Config{Memory: 1 << 20, RedisBudget: time.Minute})
	asynctest.Background(t, store.Run)
	g := gateway.NewGeocoder(chain, store, gateway.Lifetimes{Fresh: time.Hour, Empty: 50 * time.Millisecond, Stale: time.Hour})
	row, err := gateway.RowPlan(g, nil)(bulk.Query{Mode: bulk.Search, Q: "Nowhere 1", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := row.Ask(t.Context()); err != nil || a.Outcome != bulk.OutcomeEmpty {
		t.Fatalf("Ask = %+v, %v, want nothing found", a, err)
	}
	geocoder.SetFault(upstreamtest.Failing(500))
	asynctest.Eventually(t, "the row is told that it must wait", func() bool {
		_, err := row.Ask(t.Context())
		return errors.Is(err, upstream.ErrUnavailable)
	})
}

package gateway_test

import (
	"context"
	"errors"
	"testing"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/bulk"
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

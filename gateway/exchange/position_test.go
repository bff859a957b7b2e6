package exchange_test

import (
	"errors"
	"net/url"
	"testing"

	"geogate/gateway/exchange"
)

// The same request is told the same each time.
func TestFirstWrongCoordinateIsTold(t *testing.T) {
	query := url.Values{"lat": {"x"}, "lon": {"y"}, "lng": {"z"}}
	for range 50 {
		_, err := exchange.PointOf(query, false)
		var problem *exchange.Problem
		if !errors.As(err, &problem) || problem.Detail != "lat must be a number" {
			t.Fatalf("PointOf(%v) = %+v, want it to name lat", query, err)
		}
	}
}

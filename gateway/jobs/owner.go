package jobs

import (
	"context"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
	"geogate/internal/identity"
)

// as returns the context of r, for which the jobs of others do not exist unless its
// caller may act for anybody.
func as(r *http.Request) context.Context {
	caller := exchange.Of(r).Caller
	if caller.Has(identity.Dispatch) {
		return r.Context()
	}
	return bulk.As(r.Context(), caller.Subject)
}

package provider

import (
	"context"
	"time"

	"geogate/upstream/request"
)

// statusTTL is how long a /status answer, which tells how old the data is, may
// be kept.
const statusTTL = time.Minute

// nominatimEndpoints are what a Nominatim serves. It completes nothing that is
// being typed, and the terms of the public one forbid to use it for that.
var nominatimEndpoints = []request.Endpoint{
	request.Search, request.Reverse, request.Lookup, request.Details, request.Status, request.Deletable, request.Polygons,
}

// nominatim is a Nominatim over HTTP. Its answers are passed on byte for byte.
type nominatim struct{ server Server }

func newNominatim(s Server) Provider { return &nominatim{s} }

func (n *nominatim) Name() string { return n.server.Provider }

func (n *nominatim) Geocode(ctx context.Context, r request.Request) (Answer, error) {
	rep, err := n.server.Get(ctx, "/"+string(r.Endpoint()), r.Query(), "")
	if err != nil {
		return Answer{}, err
	}
	outcome, err := judge(r, rep)
	if err != nil {
		return Answer{}, n.server.Fail(ErrInvalidAnswer, err)
	}
	a := Answer{
		Status:      rep.Status,
		ContentType: rep.ContentType,
		Body:        rep.Body,
		Outcome:     outcome,
		Provider:    n.server.Provider,
	}
	if r.Endpoint() == request.Status {
		a.MaxTTL = statusTTL
	}
	return a, nil
}

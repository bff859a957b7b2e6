package upstream

import (
	"context"
	"time"
)

// statusTTL is how long a /status answer, which tells how old the data is, may
// be kept.
const statusTTL = time.Minute

// nominatim is a Nominatim over HTTP. Its answers are passed on byte for byte.
type nominatim struct {
	fetcher
	base   string // without a trailing slash
	secret string // query parameters of the operator, encoded
}

func newNominatim(s Spec, f fetcher) Provider {
	return &nominatim{fetcher: f, base: s.base, secret: s.secret}
}

func (n *nominatim) Name() string { return n.provider }

func (n *nominatim) Geocode(ctx context.Context, r Request) (Answer, error) {
	target := n.base + "/" + string(r.Endpoint()) + "?" + r.Query()
	if n.secret != "" {
		target += "&" + n.secret
	}
	rep, err := n.get(ctx, target, "")
	if err != nil {
		return Answer{}, err
	}
	outcome, err := judge(r, rep)
	if err != nil {
		return Answer{}, n.fail(ErrInvalidAnswer, err)
	}
	a := Answer{
		Status:      rep.status,
		ContentType: rep.contentType,
		Body:        rep.body,
		Outcome:     outcome,
		Provider:    n.provider,
	}
	if r.Endpoint() == Status {
		a.MaxTTL = statusTTL
	}
	return a, nil
}

package upstream

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/budget"
	"geogate/internal/outbound"
	"geogate/upstream/provider"
)

// member is one provider of a chain with what guards it.
type member struct {
	spec     Spec
	provider Provider
	guard    *outbound.Guard[Answer]
	observe  func(Call)
	calls    map[string]*atomic.Uint64
}

func newMember(s Spec, p Provider, b *budget.Budget, may func() error, observe func(Call), log zerolog.Logger) *member {
	if s.local() {
		may = nil
	}
	return &member{spec: s, provider: p, guard: outbound.NewGuard[Answer](s.Name, b, may, log), observe: observe, calls: newCalls()}
}

// serves reports whether the provider has the endpoint at all.
func (m *member) serves(ep Endpoint) bool {
	k, ok := provider.KindOf(m.spec.Kind)
	return !ok || k.Serves(ep)
}

// geocode asks the provider within its turn, once its guard lets it.
func (m *member) geocode(ctx context.Context, r Request, lane Lane, t turn) (Answer, error) {
	if m.spec.local() { // what this machine knows by itself costs nobody anything
		ctx = outbound.WithoutCharge(ctx)
	}
	a, err := m.guard.Ask(ctx, lane, t.wait, func(waited time.Duration) (Answer, error) {
		return m.call(ctx, r, lane, t, waited)
	})
	if err != nil {
		return Answer{}, err //nolint:wrapcheck // an *Error, which says what it is
	}
	a.MaxTTL = shorter(a.MaxTTL, m.spec.MaxTTL)
	a.NoStore = a.NoStore || r.Debug()
	return a, nil
}

// call asks the provider, and counts what it says.
func (m *member) call(ctx context.Context, r Request, lane Lane, t turn, waited time.Duration) (Answer, error) {
	began := time.Now()
	inTurn, done := t.call(ctx)
	defer done()
	a, err := m.provider.Geocode(inTurn, r)
	if err != nil && ctx.Err() != nil {
		err = outbound.CallerGone(ctx, m.spec.Name)
	}
	label := m.count(a, err)
	m.observe(Call{
		Provider: m.spec.Name, Outcome: label, Lane: lane.Present(ctx),
		Waited: waited, Took: time.Since(began),
	})
	return a, err
}

// shorter returns the shorter of two lifetimes, of which 0 is the unlimited.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

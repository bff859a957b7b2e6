package routing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/budget"
	"geogate/internal/geo"
	"geogate/internal/outbound"
)

// patience is how long a question may take in all. Each engine leaves the next
// its share of it.
const patience = 10 * time.Second

// Config holds the optional parts of a router.
type Config struct {
	// Version of geogate and Contact of the operator go into the User-Agent.
	Version, Contact string
	// Wait is the longest wait for budget; 0: 5 s.
	Wait time.Duration
	// Redis counts the budgets of the fleet; nil: each process counts its own.
	Redis budget.Redis
	// RedisPatience bounds one question to Redis; 0: budget.DefaultRedisPatience.
	RedisPatience time.Duration
	// Cache keeps cells; nil: nobody does.
	Cache Cache
	// May returns an error while no engine may be asked; nil: they always may. Cells
	// that are kept are answered all the same.
	May func() error
	// Estimate is used where no engine answers.
	Estimate Estimate
	// Observe is told of each call that was made; nil: nobody is. It must not
	// block.
	Observe func(Call)
	// Log gets the changes of breakers. The zero Logger writes nothing.
	Log zerolog.Logger
}

// A Call is one call to an engine, for metrics.
type Call struct {
	Engine  string // its name
	Outcome string // "found", or one of outbound.Labels
	Pairs   int
	Waited  time.Duration // for budget
	Took    time.Duration
}

// A Router answers how long the way is. It is safe for concurrent use and starts
// no goroutines that outlive a call of Table.
type Router struct {
	engines  []*engine
	cfg      Config
	client   *http.Client
	hits     atomic.Uint64
	misses   atomic.Uint64
	guessed  atomic.Uint64
	failures atomic.Uint64
}

// New returns the router over specs, which come from [ParseSpecs]; none: it
// estimates. It sends nothing.
func New(specs []Spec, cfg Config) *Router {
	cfg.Wait = cmp.Or(cfg.Wait, 5*time.Second)
	if cfg.Observe == nil {
		cfg.Observe = func(Call) {}
	}
	if cfg.Cache == nil {
		cfg.Cache = uncached
	}
	r := &Router{cfg: cfg, client: outbound.NewClient()}
	budgets := budget.Pool{Redis: cfg.Redis, Patience: cfg.RedisPatience}
	var lease time.Duration // entries may share a budget: it outlasts the slowest
	for _, s := range specs {
		lease = max(lease, s.Timeout+budget.LeaseMargin)
	}
	for _, s := range specs {
		b := budgets.Of(s.address.Shown, budget.Limits{
			Interval: s.Rate.Interval(), Burst: max(s.Burst, 1), Concurrency: s.Concurrency, Lease: lease,
		}, false)
		r.engines = append(r.engines, &engine{
			spec: s, kind: kinds[s.Kind], cfg: &r.cfg, owner: s.identity(),
			guard: outbound.NewGuard[said](s.Name, b, cfg.May, cfg.Log),
			server: outbound.Server{
				Provider: s.Name, Base: s.address.Base, Secret: s.address.Secret, Client: r.client,
				UserAgent: outbound.UserAgent(cfg.Version, cfg.Contact), Timeout: s.Timeout,
			},
		})
	}
	return r
}

// uncached is a Cache that keeps nothing.
func uncached(ctx context.Context, _ string, keys []string, fill Fill) ([]Cell, error) {
	all := make([]int, len(keys))
	for i := range all {
		all[i] = i
	}
	return fill(ctx, all)
}

// identity tells apart what answers of different engines must not be mixed.
func (s Spec) identity() string {
	sum := sha256.Sum256([]byte(s.Kind + "+" + s.address.Base + " " + s.Profile))
	return "road|" + s.Kind + "-" + hex.EncodeToString(sum[:4]) + "|"
}

// Estimates reports whether there is no engine.
func (r *Router) Estimates() bool { return len(r.engines) == 0 }

// Table returns the way from each point to each. All cells come from one source:
// the first engine that answers for those that were not kept, or an estimate
// where none does within the context's time. Only the ways of points that are near no
// road of that engine are estimated among its own. Calls are charged to whom ctx names
// by outbound.WithCharge; a *outbound.ChargeError is the only error besides that
// of a caller who left.
func (r *Router) Table(ctx context.Context, from, to []geo.Point) (Table, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	deadline, _ := ctx.Deadline()
	for i, e := range r.engines {
		share := time.Until(deadline) / time.Duration(len(r.engines)-i)
		t, err := e.within(ctx, share, from, to)
		if err == nil {
			r.count(t)
			return t, nil
		}
		if _, unpaid := errors.AsType[*outbound.ChargeError](err); unpaid {
			return Table{}, err
		}
		if errors.Is(parent.Err(), context.Canceled) {
			return Table{}, parent.Err()
		}
		r.failures.Add(1)
	}
	t := r.cfg.Estimate.table(from, to)
	r.count(t)
	return t, nil
}

func (r *Router) count(t Table) {
	r.hits.Add(uint64(t.Hits))
	r.misses.Add(uint64(t.Misses - t.Estimated))
	r.guessed.Add(uint64(t.Estimated))
}

// Stats is what a router has counted since it was made.
type Stats struct {
	Hits, Misses, Estimated uint64 // cells
	Failures                uint64 // questions that an engine did not answer
}

// Stats returns the present counts.
func (r *Router) Stats() Stats {
	return Stats{r.hits.Load(), r.misses.Load(), r.guessed.Load(), r.failures.Load()}
}

// State tells how an engine is doing.
type State struct {
	Name, Kind string
	State      string // as outbound.Guard.State
	Budget     *budget.State
}

// States tells how the engines are doing, in their order.
func (r *Router) States() []State {
	states := make([]State, len(r.engines))
	for i, e := range r.engines {
		states[i] = State{e.spec.Name, e.spec.Kind, e.guard.State(), e.guard.Budget()}
	}
	return states
}

// A Probe is how one engine answered when it was asked for its health.
type Probe struct {
	Name string
	Took time.Duration
	Err  error // nil: it answered
}

// Probe asks every engine once for the way from a point to itself, regardless of
// breakers and budgets. Whether there is a road makes no difference.
func (r *Router) Probe(ctx context.Context) []Probe {
	at := []geo.Point{{Lat: 47.141, Lon: 9.5209}}
	probes := make([]Probe, len(r.engines))
	for i, e := range r.engines {
		began := time.Now()
		_, err := e.kind.ask(ctx, &e.server, e.spec.Profile, at, at)
		probes[i] = Probe{e.spec.Name, time.Since(began), err}
	}
	return probes
}

// Close drops idle connections. Calls under way are not touched.
func (r *Router) Close() { r.client.CloseIdleConnections() }

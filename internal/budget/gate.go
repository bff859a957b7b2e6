package budget

import (
	"context"
	"sync"
	"time"
)

// Limits are the figures of one provider's budget.
type Limits struct {
	Interval     time.Duration // between calls; 0: no rate
	Burst        int           // calls at once after a rest, at least 1
	Concurrency  int           // calls under way at once; 0: no bound
	BulkInterval time.Duration // between calls of the bulk lane, always; 0: none
	Lease        time.Duration // after which a call counts as over although nobody said so
}

// Unlimited reports whether nothing limits the calls.
func (l Limits) Unlimited() bool { return l.Interval == 0 && l.Concurrency == 0 && l.BulkInterval == 0 }

// A verdict is a gate's answer to a caller who wants to make a call.
type verdict struct {
	granted bool
	token   string        // of a granted call, for release
	wait    time.Duration // of a refused one: when to ask again
	paused  bool          // the provider has sent us away for that long
}

// A gate decides who may call now. There are two: one counts for this process
// only, the other for the whole fleet in Redis. Both follow the same rules and
// are safe for concurrent use.
//
// The rules are those of the generic cell rate algorithm: tat is the
// theoretical arrival time of the next call, which each call pushes on by the
// interval. Besides, a caller who is refused leaves a note until when they may
// come back, so that the lanes behind theirs stand back.
//
// Where the number of calls under way is what limits, a place that gets free is
// nobody's turn by the clock. So the calls of people since the last of bulk are
// counted, too: while both wait, bulk has one call after each of people at most,
// and after peopleInARow of them at least.
type gate interface {
	try(ctx context.Context, lane Lane) (verdict, error)
	// release ends a granted call. It must be called once for each.
	release(token string)
	// pause closes the gate for a while. It never shortens a pause, and returns
	// what is left of the longest.
	pause(d time.Duration) time.Duration
	// ahead is how far the calls already granted are ahead of the pace: the time
	// until the budget has rested, as last seen by this process.
	ahead() time.Duration
}

const (
	// concurrencyPoll is how soon a caller who waits for a running call to end
	// asks again.
	concurrencyPoll = 20 * time.Millisecond
	// demandGrace is how much longer than their wait a waiter counts as waiting:
	// the time they may need to come back and ask.
	demandGrace = 250 * time.Millisecond
	// peopleInARow is how many calls of people go ahead of a call of bulk that
	// waits for a free place.
	peopleInARow = 3
	// LeaseMargin is how much longer a lease should last than the slowest call:
	// the time from the grant to the start of the call.
	LeaseMargin = time.Second
)

// localGate counts the calls of this process.
type localGate struct {
	limits Limits

	mu          sync.Mutex
	tat         time.Time
	bulkTat     time.Time
	demand      [lanes]time.Time // until when a lane counts as having waiters
	pausedUntil time.Time
	running     int
	inARow      int // calls of people since the last of bulk
}

func newLocalGate(l Limits) *localGate { return &localGate{limits: l} }

func (g *localGate) try(_ context.Context, lane Lane) (verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if d := g.pausedUntil.Sub(now); d > 0 {
		return verdict{wait: d, paused: true}, nil
	}
	if wait := g.wait(now, lane); wait > 0 {
		g.demand[lane] = now.Add(wait + demandGrace)
		return verdict{wait: wait}, nil
	}
	if g.tat.Before(now) {
		g.tat = now
	}
	g.tat = g.tat.Add(g.limits.Interval)
	switch lane {
	case People:
		g.inARow++
	case Bulk:
		g.inARow = 0
		g.bulkTat = now.Add(max(2*g.limits.Interval, g.limits.BulkInterval))
	}
	g.running++
	return verdict{granted: true}, nil
}

// wait returns how long a call of the lane has to wait. The caller holds mu.
func (g *localGate) wait(now time.Time, lane Lane) time.Duration {
	l := g.limits
	wait := g.tat.Add(-time.Duration(l.Burst-1) * l.Interval).Sub(now)
	if l.Concurrency > 0 && g.running >= l.Concurrency {
		wait = max(wait, concurrencyPoll)
	}
	peopleWait := g.demand[People].After(now)
	switch lane {
	case People:
		if l.Concurrency > 0 && g.inARow >= peopleInARow && g.demand[Bulk].After(now) {
			wait = max(wait, concurrencyPoll)
		}
	case Bulk:
		if peopleWait || l.BulkInterval > 0 {
			wait = max(wait, g.bulkTat.Sub(now))
		}
		if peopleWait && l.Concurrency > 0 && g.inARow == 0 {
			wait = max(wait, concurrencyPoll)
		}
	case Refresh:
		if peopleWait || g.demand[Bulk].After(now) {
			wait = max(wait, l.Interval, concurrencyPoll)
		}
	}
	return wait
}

func (g *localGate) release(string) {
	g.mu.Lock()
	g.running--
	g.mu.Unlock()
}

func (g *localGate) pause(d time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
	return time.Until(g.pausedUntil)
}

func (g *localGate) ahead() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.tat), 0)
}

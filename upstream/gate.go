package upstream

import (
	"context"
	"sync"
	"time"
)

// Lane says for whom a call is made. When calls are scarce, people go first.
type Lane int

const (
	// People wait for the answer.
	People Lane = iota
	// Bulk is batch work: at most half of the rate while people wait, all of
	// it when nobody does.
	Bulk
	// Refresh renews answers that are still good: only when nobody else waits.
	Refresh

	lanes = 3
)

// String returns the name used in metrics.
func (l Lane) String() string {
	return [lanes]string{"people", "bulk", "refresh"}[l]
}

// limits are the figures of one provider's budget.
type limits struct {
	interval     time.Duration // between calls; 0: no rate
	burst        int           // calls at once after a rest, at least 1
	concurrency  int           // calls under way at once; 0: no bound
	bulkInterval time.Duration // between calls of the bulk lane, always; 0: none
	lease        time.Duration // after which a call counts as over although nobody said so
}

func (l limits) unlimited() bool { return l.interval == 0 && l.concurrency == 0 && l.bulkInterval == 0 }

// A verdict is a gate's answer to one who wants to make a call.
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
// interval. Besides, one who is refused leaves a note until when to reckon with
// him, so that the lanes behind his stand back.
type gate interface {
	try(ctx context.Context, lane Lane) (verdict, error)
	// release ends a granted call. It must be called once for each.
	release(token string)
	// pause closes the gate for a while.
	pause(d time.Duration)
	// ahead is how far the calls already granted are ahead of the pace: the time
	// until the budget has rested, as last seen by this process.
	ahead() time.Duration
}

const (
	// concurrencyPoll is how soon one who waits for a running call to end asks again.
	concurrencyPoll = 20 * time.Millisecond
	// demandGrace is how much longer than his wait a waiter is reckoned with:
	// the time he may need to come back and ask.
	demandGrace = 250 * time.Millisecond
	// leaseMargin is how much longer a lease lasts than the slowest call: the
	// time from the grant to the start of the call.
	leaseMargin = time.Second
)

// localGate counts the calls of this process.
type localGate struct {
	limits limits

	mu          sync.Mutex
	tat         time.Time
	bulkTat     time.Time
	demand      [lanes]time.Time // until when waiters of a lane are reckoned with
	pausedUntil time.Time
	running     int
}

func newLocalGate(l limits) *localGate { return &localGate{limits: l} }

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
	g.tat = g.tat.Add(g.limits.interval)
	if lane == Bulk {
		g.bulkTat = now.Add(max(2*g.limits.interval, g.limits.bulkInterval))
	}
	g.running++
	return verdict{granted: true}, nil
}

// wait returns how long a call of the lane has to wait. The caller holds mu.
func (g *localGate) wait(now time.Time, lane Lane) time.Duration {
	l := g.limits
	wait := g.tat.Add(-time.Duration(l.burst-1) * l.interval).Sub(now)
	if l.concurrency > 0 && g.running >= l.concurrency {
		wait = max(wait, concurrencyPoll)
	}
	peopleWait := g.demand[People].After(now)
	switch lane {
	case Bulk:
		if peopleWait || l.bulkInterval > 0 {
			wait = max(wait, g.bulkTat.Sub(now))
		}
		if peopleWait && l.interval == 0 {
			wait = max(wait, concurrencyPoll)
		}
	case Refresh:
		if peopleWait || g.demand[Bulk].After(now) {
			wait = max(wait, l.interval, concurrencyPoll)
		}
	}
	return wait
}

func (g *localGate) release(string) {
	g.mu.Lock()
	g.running--
	g.mu.Unlock()
}

func (g *localGate) pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(d); until.After(g.pausedUntil) {
		g.pausedUntil = until
	}
}

func (g *localGate) ahead() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.tat), 0)
}

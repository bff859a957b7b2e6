package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// sent is a hook that counts reads, and can make those that go together fail.
type sent struct {
	single, together atomic.Int64
	gathered         atomic.Int64  // reads that went together
	broken           chan struct{} // not nil: when it is closed, they fail
}

func (*sent) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *sent) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "get" {
			s.single.Add(1)
		}
		return next(ctx, cmd)
	}
}

var errBroken = errors.New("connection broken")

func (s *sent) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() != "getrange" {
			return next(ctx, cmds)
		}
		s.together.Add(1)
		s.gathered.Add(int64(len(cmds)))
		if s.broken != nil {
			<-s.broken
			for _, cmd := range cmds {
				cmd.SetErr(errBroken)
			}
			return errBroken
		}
		return next(ctx, cmds)
	}
}

// holding returns a cache without memory whose Redis holds answers to so many keys, "key 0"
// and so on, each the name of its key.
func holding(t *testing.T, rdb redis.UniversalClient, keys int) *Cache {
	t.Helper()
	c := patient(rdb, Config{})
	for i := range keys {
		key := fmt.Sprint("key ", i)
		get(t, c, key, Directives{}, func(context.Context, *Priority) (Entry, error) { return answer(key), nil })
	}
	c.redis.forecast.lost.Store(0)
	return c
}

func TestReadsGoTogether(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	var counts sent
	const callers = 40
	c := holding(t, rdb, callers)
	long := strings.Repeat("0123456789", shortRead/5)
	get(t, c, "long", Directives{}, func(context.Context, *Priority) (Entry, error) {
		e := answer(long)
		e.Body = text(2 * shortRead) // which does not shrink below shortRead
		long = string(e.Body)
		return e, nil
	})
	c.redis.forecast.lost.Store(0)
	rdb.AddHook(&counts)
	for i := range 5 {
		want(t, get(t, c, fmt.Sprint("key ", i), Directives{}, neverFill(t)), Hit, LayerRedis, fmt.Sprint("key ", i))
	}
	if counts.single.Load() != 5 || counts.together.Load() != 0 {
		t.Errorf("5 reads, one after the other, made %d single calls and %d batches, want 5 and none", counts.single.Load(), counts.together.Load())
	}

	s.Pause(t)
	counts.single.Store(0)
	var wg sync.WaitGroup
	read := func(ctx context.Context, key string, want func(Result, error)) {
		wg.Go(func() { want(c.Get(ctx, key, Directives{OnlyIfCached: true}, nil)) })
	}
	hit := func(body string) func(Result, error) {
		return func(r Result, err error) {
			if err != nil || r.Layer != LayerRedis || string(r.Body) != body {
				t.Errorf("got %s, %v, want %.20q", r.Class, err, body)
			}
		}
	}
	for i := range callers {
		key := fmt.Sprint("key ", i)
		read(t.Context(), key, hit(key))
	}
	asynctest.Eventually(t, "all are reading", func() bool { return c.redis.reading.Load() == callers })
	read(t.Context(), "long", hit(long))
	notCached := func(_ Result, err error) {
		if !errors.Is(err, ErrNotCached) {
			t.Errorf("err = %v, want %v", err, ErrNotCached)
		}
	}
	read(t.Context(), "absent", notCached)
	left := make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	read(ctx, "key 0", func(r Result, err error) {
		notCached(r, err)
		close(left)
	})
	asynctest.Eventually(t, "these, too", func() bool { return c.redis.reading.Load() == callers+3 })
	leave()
	<-left // nobody waits for a batch who has left
	s.Resume(t)
	wg.Wait()
	// One batch had begun; the rest are one. The long one is read again.
	if single, together := counts.single.Load(), counts.together.Load(); single != readsAlone+1 || together > 2 {
		t.Errorf("%d reads at once made %d single calls and %d batches, want %d and 2 at most", callers+2, single, together, readsAlone+1)
	}
	if n := c.redis.reading.Load(); n != 0 {
		t.Errorf("%d reads are left", n)
	}
}

// A batch counts once, however many wait for it, and what it was for is filled.
func TestBrokenBatchCountsOnce(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	counts := sent{broken: make(chan struct{})}
	const callers = 20
	c := holding(t, rdb, callers)
	rdb.AddHook(&counts)
	c.redis.reading.Add(readsAlone) // as if there were so many
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			_, err := c.redis.get(t.Context(), &allowance{c.cfg.RedisBudget}, c.redis.names(fmt.Sprint("key ", i)).entry)
			if !errors.Is(err, errBroken) {
				t.Errorf("err = %v, want %v", err, errBroken)
			}
		})
	}
	asynctest.Eventually(t, "one batch is under way, the rest wait", func() bool {
		return counts.gathered.Load()+int64(c.redis.together.Waiting()) == callers
	})
	close(counts.broken)
	wg.Wait()
	breaker, batches := c.redis.breaker(""), counts.together.Load()
	if failed := breaker.Counts().TotalFailures; breaker.State() != gobreaker.StateClosed || int64(failed) != batches {
		t.Errorf("%s with %d failures of %d batches, want it closed with as many", breaker.State(), failed, batches)
	}
}

// Whoever waits for a batch has no more time for Redis than alone.
func TestReadsTogetherKeepTheirTime(t *testing.T) {
	s := redistest.Start(t)
	c := holding(t, s.Client(t), 1)
	s.Pause(t)
	defer s.Resume(t)
	c.redis.reading.Add(readsAlone)
	for _, left := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		a := &allowance{left}
		_, err := c.redis.get(t.Context(), a, c.redis.names("key 0").entry)
		if !errors.Is(err, context.DeadlineExceeded) || a.left >= left {
			t.Errorf("a read with %s: %v, %s left, want it to end and to have used its time", left, err, a.left)
		}
	}
}

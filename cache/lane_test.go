package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// forPeople counts its calls, and queues where only people are let through.
func forPeople(calls *atomic.Int64) Fill {
	return func(ctx context.Context, p *Priority) (Entry, error) {
		n := calls.Add(1)
		if p.Lane() != People {
			select {
			case <-p.Raised():
			case <-ctx.Done():
				return Entry{}, ctx.Err()
			}
		}
		return answer(fmt.Sprintf("call %d", n)), nil
	}
}

// A person is not held up by a fill of batch work, in whichever process that
// is: the fill goes on as one for people, and is the only one.
func TestPeopleTakeBatchWorkAlong(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(tb testing.TB) redis.UniversalClient) {
		caches := fleet(t, 2, client, Config{Memory: 1 << 20})
		for filling := range caches {
			for person := range caches {
				key := fmt.Sprintf("filled by %d, wanted from %d", filling, person)
				var calls atomic.Int64
				fill := forPeople(&calls)
				var rows sync.WaitGroup
				row := func(c *Cache) {
					rows.Go(func() {
						if r := get(t, c, key, Directives{Lane: Bulk}, fill); string(r.Body) != "call 1" {
							t.Errorf("%s: a row got %q, want call 1", key, r.Body)
						}
					})
				}
				row(caches[filling])
				asynctest.Eventually(t, "a row's fill queues", func() bool { return calls.Load() == 1 })
				row(caches[1-filling])

				r := get(t, caches[person], key, Directives{}, fill)
				if want(t, r, Miss, "", "call 1"); !r.Collapsed {
					t.Errorf("%s: the person's call is not collapsed", key)
				}
				rows.Wait()
				if n := calls.Load(); n != 1 {
					t.Errorf("%s: %d fills, want 1", key, n)
				}
			}
		}
	})
}

// A process that does not hear that a person waits elsewhere holds them up for
// a moment only.
func TestPeopleDoNotWaitForADeafProcess(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(tb testing.TB) redis.UniversalClient) {
		deaf := patient(client(t), Config{Memory: 1 << 20})
		c := fleet(t, 1, client, Config{Memory: 1 << 20, Handover: 100 * time.Millisecond})[0]
		var batch, people atomic.Int64
		queued := make(chan struct{})
		var row sync.WaitGroup
		row.Go(func() {
			_, _ = deaf.Get(context.Background(), "k", Directives{Lane: Bulk}, func(ctx context.Context, _ *Priority) (Entry, error) {
				batch.Add(1)
				select {
				case <-queued:
				case <-ctx.Done():
				}
				return Entry{}, errors.New("no room for rows")
			})
		})
		asynctest.Eventually(t, "the row's fill queues", func() bool { return batch.Load() == 1 })
		start := time.Now()
		want(t, get(t, c, "k", Directives{}, counted(&people)), Miss, "", "call 1")
		// Without that the row would hold them up as long as a fill may take.
		if took := time.Since(start); took > c.cfg.FillTimeout/2 {
			t.Errorf("the person waited %v, want little more than %v", took, c.cfg.Handover)
		}
		close(queued)
		row.Wait()
		if batch.Load() != 1 || people.Load() != 1 {
			t.Errorf("%d fills of the batch, %d of people, want one each", batch.Load(), people.Load())
		}
		want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerMemory, "call 1")
	})
}

// A row may fail for no other reason than that it is a row.
func TestPeopleDoNotShareTheFailuresOfBatchWork(t *testing.T) {
	c := fleet(t, 1, func(tb testing.TB) redis.UniversalClient { tb.Helper(); return redistest.Start(tb).Client(tb) }, Config{})[0]
	var batch, people atomic.Int64
	noRoom := errors.New("no room for rows")
	var row sync.WaitGroup
	row.Go(func() {
		_, err := c.Get(context.Background(), "k", Directives{Lane: Bulk}, func(_ context.Context, p *Priority) (Entry, error) {
			batch.Add(1)
			<-p.Raised()
			return Entry{}, noRoom
		})
		if !errors.Is(err, noRoom) {
			t.Errorf("the row got %v, want %v", err, noRoom)
		}
	})
	asynctest.Eventually(t, "the row's fill queues", func() bool { return batch.Load() == 1 })
	want(t, get(t, c, "k", Directives{}, counted(&people)), Miss, "", "call 1")
	row.Wait()
}

// A batch takes what people have asked for, also while it is being obtained.
func TestBatchWorkJoinsPeople(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(tb testing.TB) redis.UniversalClient) {
		c := fleet(t, 1, client, Config{Memory: 1 << 20})[0]
		var calls atomic.Int64
		joined := make(chan struct{})
		fill := held(&calls, joined)
		var people sync.WaitGroup
		people.Go(func() { get(t, c, "k", Directives{}, fill) })
		asynctest.Eventually(t, "the fill has begun", func() bool { return calls.Load() == 1 })
		ctx := arriving(context.Background(), func() { close(joined) })
		r, err := c.Get(ctx, "k", Directives{Lane: Bulk}, neverFill(t))
		if err != nil || string(r.Body) != "call 1" || !r.Collapsed {
			t.Errorf("%s %q, collapsed %v, %v, want the answer of the other call", r.Class, r.Body, r.Collapsed, err)
		}
		people.Wait()
		want(t, get(t, c, "k", Directives{Lane: Bulk}, neverFill(t)), Hit, LayerMemory, "call 1")
	})
}

// A request for a new answer joins a refresh that is under way, and hurries it.
func TestForcedFillsTakeRefreshesAlong(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	var clk clock
	c := running(t, patient(rdb, Config{Memory: 1 << 20, Now: clk.now}))
	var calls atomic.Int64
	fill := forPeople(&calls)
	get(t, c, "k", Directives{}, fill)
	clk.advance(2 * time.Hour)
	want(t, get(t, c, "k", Directives{}, fill), Stale, LayerMemory, "call 1")
	asynctest.Eventually(t, "the refresh queues", func() bool { return calls.Load() == 2 })
	if r := get(t, c, "k", Directives{NoCache: true}, fill); r.Class != Miss || string(r.Body) != "call 2" || !r.Collapsed {
		t.Errorf("%s %q, collapsed %v, want the answer of the refresh", r.Class, r.Body, r.Collapsed)
	}
}

package identity

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/rate"
	"geogate/internal/redistest"
)

// losing answers the first of every two scripts with an error after Redis has run
// it, as a connection does that breaks between the commit and the reply.
type losing struct{ calls atomic.Int64 }

func (h *losing) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *losing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *losing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && h.calls.Add(1)%2 == 1 {
			err = errors.New("reply lost")
			cmd.SetErr(err)
		}
		return err
	}
}

func TestUseIsCountedOnceThoughRepliesAreLost(t *testing.T) {
	server := redistest.Start(t)
	k := NewKeys(server.Client(t), zerolog.Nop())
	text, _ := operator(t, k)
	c, err := k.identify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	flaky := server.Client(t)
	flaky.AddHook(&losing{})
	l := NewLedger(flaky, zerolog.Nop())
	failed := 0
	for range 20 {
		l.Request(c, true)
		if l.Write(t.Context()) != nil {
			failed++
		}
	}
	for l.Write(t.Context()) != nil || l.unsent != nil {
		failed++
	}
	_ = l.Write(t.Context())
	list, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list[0].Today, (Use{20, 20, 0}); got != want || failed == 0 {
		t.Errorf("today = %+v with %d replies lost, want %+v", got, failed, want)
	}
}

func TestRunWritesWhatIsLeftWhenItEnds(t *testing.T) {
	server := redistest.Start(t)
	k := NewKeys(server.Client(t), zerolog.Nop())
	l := NewLedger(server.Client(t), zerolog.Nop())
	text, _ := operator(t, k)
	c, err := k.identify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 100 {
				l.Request(c, false)
			}
		})
	}
	clients.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	list, err := k.List(t.Context())
	if err != nil || list[0].Today.Requests != 800 {
		t.Errorf("today = %+v, %v, want 800 requests", list[0].Today, err)
	}
}

// However many keys are used, one writing has all of them.
func TestOneWritingHasAllKeys(t *testing.T) {
	server := redistest.Start(t)
	l := NewLedger(server.Client(t), zerolog.Nop())
	const keys = 2*maxBatch + 50
	for i := range keys {
		l.Request(&Caller{Key: strconv.Itoa(i)}, false)
	}
	if err := l.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	rdb := server.Client(t)
	for i := range keys {
		if n, err := rdb.HGet(t.Context(), useKey(strconv.Itoa(i)), fmt.Sprintf("%d:r", dayOf(time.Now()))).Int(); n != 1 {
			t.Fatalf("key %d of %d: %d requests, %v, want 1", i, keys, n, err)
		}
	}
}

func TestUpstreamBudgetHoldsExactlyOverTheFleet(t *testing.T) {
	server := redistest.Start(t)
	budget := rate.Rate{Requests: 50, Per: 24 * time.Hour}
	c := &Caller{Key: "abc", UpstreamBudget: &budget}
	var granted atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		l := NewLedger(server.Client(t), zerolog.Nop())
		for range 4 {
			clients.Go(func() {
				for range 10 {
					var used *BudgetError
					switch err := l.Spend(t.Context(), c); {
					case err == nil:
						granted.Add(1)
					case !errors.As(err, &used) || used.RetryAfter <= 0 || used.RetryAfter > budget.Per:
						t.Errorf("Spend = %v, want a BudgetError with a time to come back", err)
					}
				}
			})
		}
	}
	clients.Wait()
	if granted.Load() != 50 {
		t.Errorf("%d calls granted, want 50", granted.Load())
	}
}

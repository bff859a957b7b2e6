package budget

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
)

// counted is a hook that counts what is asked of Redis.
type counted struct{ calls atomic.Int64 }

func (*counted) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counted) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.calls.Add(1)
		return next(ctx, cmd)
	}
}

func (*counted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestRoundTripsOfACall(t *testing.T) {
	tests := []struct {
		name   string
		limits Limits
		trips  int64 // of a call
		left   int64 // tokens in Redis after it
	}{
		{"a rate", Limits{Interval: time.Minute, Burst: 9, Lease: time.Hour}, 1, 1},
		{"a pace of bulk", Limits{BulkInterval: time.Minute, Burst: 1, Lease: time.Hour}, 1, 1},
		{"calls at once", Limits{Concurrency: 1, Burst: 1, Lease: time.Hour}, 2, 0},
		{"both", Limits{Interval: time.Minute, Burst: 9, Concurrency: 1, Lease: time.Hour}, 2, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rdb := redistest.Start(t).Client(t)
			const patience = 10 * time.Second
			b := NewFleet(rdb, "x", tt.limits, patience, true)
			call := func() {
				release, err := b.Acquire(t.Context(), People, time.Now().Add(time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				release()
			}
			call() // loads the script
			var c counted
			rdb.AddHook(&c)
			if call(); c.calls.Load() != tt.trips {
				t.Errorf("a call takes %d round trips, want %d", c.calls.Load(), tt.trips)
			}
			tokens := rdb.ZRangeWithScores(t.Context(), "geogate:budget:{x}:leases", 0, -1).Val()
			if len(tokens) != int(2*tt.left) {
				t.Errorf("%d tokens after two calls, want %d", len(tokens), 2*tt.left)
			}
			now := rdb.Time(t.Context()).Val()
			for _, token := range tokens {
				if lapses := time.UnixMicro(int64(token.Score)); lapses.After(now.Add(2 * patience)) {
					t.Errorf("a token lapses in %s, want 20s at most", lapses.Sub(now))
				}
			}
		})
	}
}

// A client repeats a question whose answer was lost: the call is counted once.
func TestRepeatedQuestionIsOneCall(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	g := newFleetGate(rdb, "x", Limits{Interval: time.Hour, Burst: 1, Lease: time.Hour}, 10*time.Second, true)
	for range 2 {
		reply, err := acquireScript.Run(t.Context(), rdb, []string{g.state, g.leases},
			int(People), "token", g.limits.Interval.Microseconds(), 1, 0, 0, g.lease().Microseconds(), 0, 0, 0).Int64Slice()
		if err != nil || reply[0] != 0 {
			t.Fatalf("acquire = %v, %v, want it granted", reply, err)
		}
	}
	if v, err := g.try(t.Context(), People); err != nil || v.granted {
		t.Errorf("the next call: %+v, %v, want it to wait", v, err)
	}
}

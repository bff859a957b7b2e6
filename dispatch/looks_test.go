package dispatch_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// Those who wait for the same news look for it a few at a time, so that they leave
// connections to Redis for those who act.
func TestWaitingLeavesRedisToActing(t *testing.T) {
	const each = 30
	server := redistest.Start(t)
	acting, watching := dispatch.New(server.Client(t), dispatch.Config{}), server.Client(t)
	looks := &looks{free: make(chan struct{})}
	watching.AddHook(looks)
	engine := dispatch.New(watching, dispatch.Config{})
	run(t, engine)
	asynctest.Eventually(t, "wake-ups arrive", engine.Subscribed)
	ride := request(t, acting, santiago)

	var first, told sync.WaitGroup
	first.Add(2 * each)
	watcher := func() context.Context { return context.WithValue(t.Context(), lookKey{}, sync.OnceFunc(first.Done)) }
	for range each {
		told.Go(func() {
			f := engine.FollowRide(ride.ID, ride.Revision)
			defer f.Close()
			if u, err := f.Next(watcher()); err != nil || len(u.Rides) != 1 || u.Rides[0].State != dispatch.Cancelled {
				t.Errorf("Next = %+v, %v, want it cancelled", u, err)
			}
		})
		told.Go(func() {
			if got, err := engine.Wait(watcher(), ride.ID, ride.Revision); err != nil || got.State != dispatch.Cancelled {
				t.Errorf("Wait = %+v, %v, want it cancelled", got, err)
			}
		})
	}
	first.Wait()
	looks.hold.Store(true)
	if _, err := acting.Cancel(t.Context(), ride.ID, ""); err != nil {
		t.Fatal(err)
	}
	asynctest.Eventually(t, "as many look as may", func() bool { return looks.now.Load() >= dispatch.MaxLooks })
	close(looks.free)
	told.Wait()
	if most := looks.most.Load(); most > dispatch.MaxLooks {
		t.Errorf("%d looked at a time, want at most %d", most, dispatch.MaxLooks)
	}
}

// lookKey is the key of what a context wants to have called after its first look.
type lookKey struct{}

// looks is a hook that counts looks at rides, once it holds them until free is closed.
type looks struct {
	hold      atomic.Bool
	free      chan struct{}
	now, most atomic.Int64
}

func (l *looks) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *looks) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (l *looks) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); len(args) < 2 || args[1] != dispatch.RideScript() {
			return next(ctx, cmd)
		}
		if looked, ok := ctx.Value(lookKey{}).(func()); ok {
			defer looked()
		}
		if l.hold.Load() {
			now := l.now.Add(1)
			defer l.now.Add(-1)
			for most := l.most.Load(); now > most && !l.most.CompareAndSwap(most, now); {
				most = l.most.Load()
			}
			<-l.free
		}
		return next(ctx, cmd)
	}
}

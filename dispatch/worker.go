package dispatch

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"geogate/internal/lua"
	"geogate/internal/pause"
	"geogate/internal/trace"
)

const (
	// claimMost is how many due rides a worker leases at a time, and workSlice how
	// many of them it does in one round trip, between which it may renew or give back.
	// Redis serves nobody else between the scripts of one round trip.
	claimMost = 256
	workSlice = 8

	// sweepEvery is the longest pause between two sweeps, and sweepSoonest the shortest.
	sweepEvery   = time.Second
	sweepSoonest = 50 * time.Millisecond
	sweepMost    = 100

	reconcileEvery = 30 * time.Second
	reconcileMost  = 50
)

// Run does what falls due in the regions that are this process's share, until ctx ends:
// attempts, deadlines, lapsed offers, drivers not heard of, leaks, and handing events
// on. Then it gives its leases back and returns nil. Any number of processes may run it
// at the same time, each once. While Redis is away Run keeps trying.
func (e *Engine) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		e.subscribe(ctx)
		return nil
	})
	group.Go(func() error {
		e.shareRegions(ctx)
		return nil
	})
	err := group.Wait()
	e.aside.Wait()
	return err
}

// Each region is worked by one process, so that idle work does not grow with their
// number. Duty saves work and decides nothing: two processes that both believe to
// have it do no harm, since every step of the work is checked where it happens.
const (
	dutyKey = "geogate:duty"
	// dutyEvery is how often processes share the regions out anew, and dutyLease how long
	// a region is left alone by the others when its process dies.
	dutyEvery = time.Second
	dutyLease = 3 * time.Second
	dutyTopic = "duty"
)

// shareRegions works the regions that are this process's share until ctx ends.
func (e *Engine) shareRegions(ctx context.Context) {
	wake, stop := e.hub.Listen(dutyTopic)
	defer stop()
	var working sync.WaitGroup
	defer working.Wait()
	mine := make(map[string]context.CancelFunc)
	e.repeat(ctx, "share regions", nil, func(ctx context.Context) (time.Duration, error) {
		// While the record of duty is away each process goes on with what it has.
		regions, err := e.takeDuty(ctx, dutyLease)
		if err != nil {
			return 0, fmt.Errorf("share regions: %w", err)
		}
		for region, end := range mine {
			if !slices.Contains(regions, region) {
				end()
				delete(mine, region)
			}
		}
		for _, region := range regions {
			if mine[region] == nil {
				ctx, end := context.WithCancel(ctx)
				mine[region] = end
				working.Go(func() { e.workRegion(ctx, region) })
			}
		}
		tick := time.NewTimer(dutyEvery)
		defer tick.Stop()
		select {
		case <-ctx.Done():
		case <-wake:
		case <-tick.C:
		}
		return 0, nil
	})
	for _, end := range mine {
		end()
	}
	working.Wait()
	e.endDuty(context.WithoutCancel(ctx))
}

// takeDuty renews this process's share of the regions and returns it. A lease of 0
// gives everything back.
func (e *Engine) takeDuty(ctx context.Context, lease time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	args := []any{e.worker, lease.Milliseconds()}
	for _, region := range e.regions {
		args = append(args, region)
	}
	return dutyScript.Run(ctx, e.rdb, []string{dutyKey}, args...).StringSlice()
}

// endDuty lets the other processes take over at once.
func (e *Engine) endDuty(ctx context.Context) {
	_, err := e.takeDuty(ctx, 0)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
		defer cancel()
		err = e.rdb.Publish(ctx, channel, dutyTopic).Err()
	}
	if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it bare
		e.cfg.Log.Debug().Err(err).Msg("duty left to lapse")
	}
}

// workRegion does the work of a region until ctx ends.
func (e *Engine) workRegion(ctx context.Context, region string) {
	var loops sync.WaitGroup
	loop := func(what string, do func(ctx context.Context) (time.Duration, error)) {
		loops.Go(func() { e.repeat(ctx, what, nil, do) })
	}
	loops.Go(func() {
		due, stop := e.hub.Listen(dueTopic(region))
		defer stop()
		e.repeat(ctx, "work due rides", due, func(ctx context.Context) (time.Duration, error) {
			return e.workDue(ctx, region)
		})
	})
	loop("sweep drivers", func(ctx context.Context) (time.Duration, error) {
		return e.sweep(ctx, region)
	})
	loop("reconcile", func(ctx context.Context) (time.Duration, error) {
		return reconcileEvery, e.reconcile(ctx, region, reconcileEvery)
	})
	if e.cfg.Emit != nil {
		loops.Go(func() { e.handOn(ctx, region) })
	}
	loops.Wait()
}

// repeat calls do until ctx ends, after the pause that it returns or, after an
// error, one that grows to a second; a wake-up ends the pause that do returned. Of errors
// in a row the first one is logged.
func (e *Engine) repeat(ctx context.Context, what string, wake <-chan struct{}, do func(ctx context.Context) (time.Duration, error)) {
	retry := pause.NewGrowing(50*time.Millisecond, time.Second)
	failing := false
	woken := wake
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-woken:
		}
		wait, err := do(ctx)
		switch {
		case err == nil && failing:
			e.cfg.Log.Info().Str("task", what).Msg("dispatch task recovered")
			failing = false
			retry.Reset()
		case err != nil:
			if !failing && ctx.Err() == nil {
				e.cfg.Log.Warn().Str("task", what).Err(err).Msg("dispatch task fails and is retried")
			}
			failing = true
			wait = retry.Next()
		}
		if woken = wake; failing {
			woken = nil
		}
		timer.Reset(wait)
	}
}

// workDue does everything that is due in a region and returns how long to wait for
// the next look.
func (e *Engine) workDue(ctx context.Context, region string) (time.Duration, error) {
	for {
		rides, next, err := e.claim(ctx, region)
		if err != nil {
			return 0, fmt.Errorf("claim due rides: %w", err)
		}
		if err := e.workClaimed(ctx, region, rides); err != nil || ctx.Err() != nil {
			return 0, err
		}
		if len(rides) < claimMost {
			wait := e.pollPause()
			if next >= 0 {
				// The server counts whole milliseconds: one more, so as not to come too early.
				wait = min(wait, time.Duration(next+1)*time.Millisecond)
			}
			return wait, nil
		}
	}
}

// claim leases due rides, and returns in how many milliseconds the next one is due, or -1.
// A call whose answer is lost is repeated as the same one: rides leased to nobody would
// have to wait until their leases lapse.
func (e *Engine) claim(ctx context.Context, region string) (rides []string, next int64, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease)
	defer cancel()
	call := rand.Text()
	retry := pause.NewGrowing(20*time.Millisecond, time.Second)
	for {
		answer, err := e.run(ctx, claimScript, region, e.worker, lease.Milliseconds(), claimMost, call)
		if err == nil {
			return answer.strings(0), answer.int(1), nil
		}
		if pause.For(ctx, retry.Next()) != nil {
			return nil, 0, err
		}
	}
}

// pollPause is short enough to learn of a ride before its first due time.
func (e *Engine) pollPause() time.Duration {
	wait := min(pollAtMost, e.cfg.Interval/2)
	if e.cfg.OfferTTL > 0 {
		wait = min(wait, e.cfg.OfferTTL/2)
	}
	return max(wait, time.Millisecond)
}

// workClaimed does what is due about leased rides, and gives back those that it did
// not get to.
func (e *Engine) workClaimed(ctx context.Context, region string, rides []string) (err error) {
	defer func() {
		if len(rides) > 0 {
			e.onLeases(ctx, givebackScript, region, rides, e.worker)
		}
	}()
	renewed := time.Now()
	for len(rides) > 0 && ctx.Err() == nil {
		if time.Since(renewed) > renewEvery {
			e.onLeases(ctx, renewScript, region, rides, e.worker, lease.Milliseconds())
			renewed = time.Now()
		}
		slice := rides[:min(workSlice, len(rides))]
		calls := make([]call, len(slice))
		for i, id := range slice {
			calls[i] = call{region, []any{id}}
		}
		began := time.Now()
		replies, err := e.runAll(ctx, attemptScript, calls)
		if err != nil {
			return fmt.Errorf("attempt due rides: %w", err)
		}
		for i, r := range replies {
			created := e.cfg.Tracer.Resume(r.string(0))
			e.traceAttempt(created, began, region, slice[i], r)
			if r.code != "named" {
				continue
			}
			pickup, err := decodePoint(r.string(2), r.string(3))
			if err != nil {
				return fmt.Errorf("attempt due rides: %w", err)
			}
			c, err := newChoice(region, slice[i], pickup, r.strings(1))
			if err != nil {
				return fmt.Errorf("attempt due rides: %w", err)
			}
			e.chooseAside(trace.With(ctx, created), c)
		}
		rides = rides[len(slice):]
	}
	return nil
}

// traceAttempt hands over the span of an attempt, below the step that created the ride.
// Attempts of one round trip have its times.
func (e *Engine) traceAttempt(created trace.Scope, began time.Time, region, ride string, r reply) {
	span := created.Below(trace.Internal, "attempt ride", began)
	span.Set("geogate.ride_id", ride)
	span.Set("geogate.region", region)
	if r.code == "ok" {
		span.Set("geogate.ride_state", r.string(1))
	}
	span.End()
}

// onLeases renews leases or gives them back. When that fails, the others wait a little
// longer: leases lapse by themselves.
func (e *Engine) onLeases(ctx context.Context, s lua.Script, region string, rides []string, args ...any) {
	for _, id := range rides {
		args = append(args, id)
	}
	if _, err := e.run(context.WithoutCancel(ctx), s, region, args...); err != nil {
		e.cfg.Log.Debug().Err(err).Msg("leases left to lapse")
	}
}

// sweep takes drivers who were not heard of off the map and forgets those who are long
// gone. It returns how long to wait for the next time.
func (e *Engine) sweep(ctx context.Context, region string) (time.Duration, error) {
	answer, err := e.run(ctx, sweepScript, region, sweepMost)
	if err != nil {
		return 0, fmt.Errorf("sweep drivers: %w", err)
	}
	if e.manyRegions() {
		if err := e.dropHomes(ctx, region, answer.strings(2)); err != nil {
			return 0, fmt.Errorf("sweep drivers: %w", err)
		}
	}
	next := answer.int(1)
	if next < 0 {
		return sweepEvery, nil
	}
	return min(sweepEvery, max(sweepSoonest, time.Duration(next+1)*time.Millisecond)), nil
}

// reconcile looks once at each driver who was last looked at longer than age ago.
func (e *Engine) reconcile(ctx context.Context, region string, age time.Duration) error {
	for {
		answer, err := e.run(ctx, reconcileScript, region, reconcileMost, age.Milliseconds())
		if err != nil {
			return fmt.Errorf("reconcile: %w", err)
		}
		if freed, filed := answer.int(1), answer.int(2); freed+filed > 0 {
			e.cfg.Log.Warn().Str("region", region).Int64("drivers", freed).Int64("rides", filed).Msg("leaks repaired")
		}
		if answer.int(0) == 0 { // no more
			return nil
		}
	}
}

package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

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
	e.repeat(ctx, "share regions", func(ctx context.Context) (time.Duration, error) {
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

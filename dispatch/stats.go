package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Stats are the figures of one region.
type Stats struct {
	Region    string
	Waiting   int64            // rides searching
	Live      int64            // rides that have not ended
	Available int64            // drivers on the map; a few may not have been heard of
	Engaged   int64            // drivers reserved or busy
	Events    map[string]int64 // transitions since the region began, by Event.Type
	Unsent    int64            // events that have still to be handed on
}

// Stats returns the figures of every region. Errors: ErrUnavailable.
func (e *Engine) Stats(ctx context.Context) ([]Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	all := make([]Stats, 0, len(e.regions))
	for _, region := range e.regions {
		p := prefix(region)
		var waiting, live, available, engaged, events *redis.IntCmd
		var counts *redis.MapStringStringCmd
		_, err := e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			waiting, live = pipe.ZCard(ctx, p+":waiting"), pipe.ZCard(ctx, p+":due")
			available, engaged = pipe.ZCard(ctx, p+":avail"), pipe.ZCard(ctx, p+":engaged")
			events, counts = pipe.XLen(ctx, p+":events"), pipe.HGetAll(ctx, p+":counts")
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read figures: %w: %w", ErrUnavailable, err)
		}
		s := Stats{
			Region: region, Waiting: waiting.Val(), Live: live.Val(), Available: available.Val(),
			Engaged: engaged.Val(), Events: make(map[string]int64),
		}
		if e.cfg.Emit != nil {
			s.Unsent = events.Val()
		}
		for kind, text := range counts.Val() {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read figures: %w: count of %s: %w", ErrUnavailable, kind, err)
			}
			s.Events[kind] = n
		}
		all = append(all, s)
	}
	return all, nil
}

// errNoMemory is that of the built-in server.
var errNoMemory = errors.New("server does not report its memory")

// Memory returns the bytes that Redis uses, on a cluster those of one node.
// Errors: ErrUnavailable, also where the server does not say.
func (e *Engine) Memory(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	info, err := e.rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, err)
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, errNoMemory)
}

package event

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"geogate/internal/hub"
)

const (
	// tailBlock is how long one read of the tail waits in Redis. It is short because
	// a blocked read does not see its context end.
	tailBlock = 200 * time.Millisecond
	// tailSlack is what a read may take beyond that, before Redis counts as away.
	tailSlack = 2 * time.Second
	tailBatch = 100
	// tailCheck is how many reads that find nothing come between two looks whether the
	// log still reaches as far as we read. What Redis lost the end of may go on at
	// positions before that, where a blocked read would not see it.
	tailCheck = 5
	// maxRecent is how many of the newest events a process keeps, so that its
	// listeners do not all ask Redis for the same ones.
	maxRecent = 256
)

// Run follows the end of the log to wake listeners, and trims its beginning, until
// ctx ends. It always returns nil: Redis being away is logged and waited out.
func (l *Log) Run(ctx context.Context) error {
	var parts errgroup.Group
	parts.Go(func() error { l.follow(ctx); return nil })
	parts.Go(func() error { l.housekeep(ctx); return nil })
	return parts.Wait()
}

// Listen returns a channel that receives after events were added. One receive may
// stand for many events, and for none: listeners Read. Call stop when done.
func (l *Log) Listen() (wake <-chan struct{}, stop func()) { return l.hub.Listen(hub.Any) }

// follow reads the tail. It is the one connection per process that blocks.
func (l *Log) follow(ctx context.Context) {
	last := "" // nothing known: begin at the end
	retry := retryPauses()
	empty := 0
	for failing := false; ctx.Err() == nil; {
		events, err := l.readTail(ctx, &last)
		if empty++; len(events) > 0 {
			empty = 0
		}
		if err == nil && empty%tailCheck == tailCheck-1 {
			err = l.checkTail(ctx, last)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				l.cfg.Log.Warn().Err(err).Msg("cannot follow events")
			}
			failing = true
			last = "" // Redis may come back empty
			l.forget()
			_ = retry.Wait(ctx) // the loop sees the end of ctx
			continue
		case failing:
			failing = false
			retry.Reset()
			l.cfg.Log.Info().Msg("following events again")
			l.remember(nil) // what came in between is for the listeners to read
		}
		if len(events) > 0 {
			l.remember(events)
		}
	}
}

func (l *Log) readTail(ctx context.Context, last *string) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, tailBlock+tailSlack)
	defer cancel()
	if *last == "" {
		_, newest, err := l.Bounds(ctx)
		if err != nil {
			return nil, err
		}
		pos, err := position(newest)
		if err != nil {
			return nil, err
		}
		*last = pos
		l.begin(newest)
	}
	streams, err := l.rdb.XRead(ctx, &redis.XReadArgs{
		Streams: []string{StreamKey, *last}, Count: tailBatch, Block: tailBlock,
	}).Result()
	if errors.Is(err, redis.Nil) || err == nil && len(streams) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries := streams[0].Messages
	*last = entries[len(entries)-1].ID
	return newEvents(entries), nil
}

// checkTail returns errTailLost when the log ends before the position last read.
func (l *Log) checkTail(ctx context.Context, last string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	newest, err := l.rdb.XRevRangeN(ctx, StreamKey, "+", "-", 1).Result()
	if err != nil || len(newest) == 0 { // an empty log may have been trimmed
		return err
	}
	if Before(newest[0].ID, last) {
		return errTailLost
	}
	return nil
}

var errTailLost = errors.New("redis has lost the newest events")

// recent is a window on the end of the log: every event after since.
type recent struct {
	valid  bool
	since  string
	events []Event
}

// begin opens the window behind the event with an id.
func (l *Log) begin(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = recent{valid: true, since: id}
}

func (l *Log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = recent{}
}

// remember adds events to the window and wakes the listeners.
func (l *Log) remember(events []Event) {
	defer l.hub.WakeAll()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.events = append(l.recent.events, events...)
	if excess := len(l.recent.events) - maxRecent; excess > 0 {
		l.recent.since = l.recent.events[excess-1].ID
		l.recent.events = slices.Clone(l.recent.events[excess:])
	}
}

// recall reads from the window, if it reaches back far enough. Where the log begins only
// Redis knows: it may have lost what the window still has.
func (l *Log) recall(after string, limit int) ([]Event, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after == "" || !l.recent.valid || Before(after, l.recent.since) {
		return nil, false
	}
	i, found := slices.BinarySearchFunc(l.recent.events, after, func(e Event, id string) int {
		switch {
		case e.ID == id:
			return 0
		case Before(e.ID, id):
			return -1
		}
		return 1
	})
	switch {
	case found:
		i++
	case after != l.recent.since:
		return nil, false // Redis knows what became of it
	}
	rest := l.recent.events[i:]
	return slices.Clone(rest[:min(limit, len(rest))]), true
}

package event

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lease"
)

const (
	// consumer is the one consumer of every group: whichever process holds the
	// lease reads under this name, and so finds what its predecessor left undone.
	consumer     = "geogate"
	leaseLife    = 5 * time.Second
	leaseSlack   = time.Second // before the lease ends, a handler is told to stop
	standbyEvery = time.Second
	consumeBatch = 100
)

// Consume hands every event of the log to handle, in order and at least once, until
// ctx ends; it then returns nil. The group remembers how far it got: what is
// published while nobody consumes is handed on later. A new group begins at the
// oldest event.
//
// Several processes may consume one group: one of them does the work, the others
// take over within about five seconds of its death, beginning with what it had in
// hand. Sharing the work out would lose the order for work that is cheap.
//
// When handle fails it is called again with the same events after a pause; its
// context ends before the lease does.
func (l *Log) Consume(ctx context.Context, group string, handle func(context.Context, []Event) error) error {
	g := &groupReader{
		log: l, name: group, handle: handle,
		lease: lease.New(l.rdb, Prefix+"lease:"+group, l.name, leaseLife),
	}
	wake, stop := l.Listen()
	defer stop()
	defer g.giveBack(context.WithoutCancel(ctx))
	retry := retryPauses()
	for failing := false; ctx.Err() == nil; {
		more, err := g.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !failing {
				l.cfg.Log.Warn().Err(err).Str("group", group).Msg("cannot hand events on")
			}
			failing = true
			g.undone = true
			_ = retry.Wait(ctx) // the loop sees the end of ctx
			continue
		case failing && g.holds && more:
			failing = false
			retry.Reset()
			l.cfg.Log.Info().Str("group", group).Msg("handing events on again")
		}
		if more {
			continue
		}
		tick := time.NewTimer(standbyEvery)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-tick.C:
		}
		tick.Stop()
	}
	return nil
}

// groupReader is one process's part in a group.
type groupReader struct {
	log    *Log
	name   string
	handle func(context.Context, []Event) error
	lease  *lease.Lease
	holds  bool
	undone bool // something was read and perhaps not acknowledged, by us or a predecessor
}

// step reads and hands on one batch. more means that another may be waiting.
func (g *groupReader) step(ctx context.Context) (more bool, err error) {
	held := g.holds
	if g.holds, err = g.take(ctx); err != nil || !g.holds {
		g.holds = false
		return false, err
	}
	started := time.Now()
	if !held {
		g.undone = true
	}
	entries, err := g.read(ctx)
	if err != nil {
		return false, err
	}
	if len(entries) == 0 {
		more, g.undone = g.undone, false
		return more, nil
	}
	ids := make([]string, len(entries))
	events := make([]Event, 0, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ID
		if len(entry.Values) > 0 { // an entry that was trimmed before it was handed on is empty
			events = append(events, newEvent(entry.ID, entry.Values))
		}
	}
	if len(events) > 0 {
		handling, cancel := context.WithDeadline(ctx, started.Add(leaseLife-leaseSlack))
		err = g.handle(handling, events)
		cancel()
		if err != nil {
			return false, err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
	defer cancel()
	if err := g.log.rdb.XAck(ctx, StreamKey, g.name, ids...).Err(); err != nil {
		return false, fmt.Errorf("acknowledge events: %w: %w", ErrUnavailable, err)
	}
	return true, nil
}

// read returns what was left undone, then what is new.
func (g *groupReader) read(ctx context.Context) ([]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	from := ">"
	if g.undone {
		from = "0"
	}
	streams, err := g.log.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: g.name, Consumer: consumer, Streams: []string{StreamKey, from}, Count: consumeBatch, Block: -1,
	}).Result()
	switch {
	case redis.HasErrorPrefix(err, "NOGROUP"): // the first time, and after Redis lost everything
		if err := g.log.rdb.XGroupCreateMkStream(ctx, StreamKey, g.name, "0").Err(); err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
			return nil, fmt.Errorf("create group: %w: %w", ErrUnavailable, err)
		}
		g.undone = true // look again at once
		return nil, nil
	case errors.Is(err, redis.Nil) || err == nil && len(streams) == 0:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read events: %w: %w", ErrUnavailable, err)
	}
	return streams[0].Messages, nil
}

// take takes or renews the lease.
func (g *groupReader) take(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	held, err := g.lease.Take(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return held, nil
}

func (g *groupReader) giveBack(ctx context.Context) {
	if !g.holds {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := g.lease.Return(ctx); err != nil {
		g.log.cfg.Log.Debug().Err(err).Str("group", g.name).Msg("lease left to lapse")
	}
}

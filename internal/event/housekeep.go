package event

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	housekeepEvery = 10 * time.Second
	trimBatch      = 500 // entries that one script removes: it bounds how long Redis is busy
	trimBatches    = 100 // per housekeeping
)

// housekeep trims the log every now and then. Every process does so; there is
// nothing to coordinate.
func (l *Log) housekeep(ctx context.Context) {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.Trim(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Log.Debug().Err(err).Msg("events not trimmed")
		}
	}
}

// Trim removes events beyond MaxAge and MaxUnread, and those beyond MaxLen that all
// groups have read. It removes groups that nobody reads any more, such as the bus's after
// it was taken out of the configuration. Run calls it every ten seconds.
func (l *Log) Trim(ctx context.Context) error {
	groups, err := l.Groups(ctx)
	if err != nil {
		return err
	}
	unread := place{1 << 53, 0} // Lua's numbers are exact up to here
	for _, g := range groups {
		gone, err := l.removeDeserted(ctx, g)
		if err != nil {
			return err
		}
		if !gone && unread.after(g.next) {
			unread = g.next
		}
	}
	for range trimBatches {
		removed, err := l.trimSome(ctx, unread)
		if err != nil {
			return err
		}
		if removed < trimBatch {
			break
		}
	}
	return nil
}

// removeDeserted removes a group that had no reader for GroupLife in two looks in a row.
// A group is read every second while anybody wants its events, even if they cannot be
// handed on; but when all geogates were stopped, they need a moment to begin again.
func (l *Log) removeDeserted(ctx context.Context, g Group) (gone bool, err error) {
	l.mu.Lock()
	before := l.deserted[g.Name]
	l.deserted[g.Name] = g.unread >= l.cfg.GroupLife
	now := l.deserted[g.Name]
	l.mu.Unlock()
	if !before || !now {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := l.rdb.XGroupDestroy(ctx, StreamKey, g.Name).Err(); err != nil {
		return false, fmt.Errorf("remove group: %w: %w", ErrUnavailable, err)
	}
	l.cfg.Log.Info().Str("group", g.Name).Dur("unread_ms", g.unread).Msg("group removed that nobody reads")
	return true, nil
}

func (l *Log) trimSome(ctx context.Context, unread place) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	next := strconv.FormatUint(unread[0], 10) + "-" + strconv.FormatUint(unread[1], 10)
	counts, err := trimScript.Run(ctx, l.rdb, []string{StreamKey, trimmedKey},
		l.cfg.MaxLen, l.cfg.MaxUnread, l.cfg.MaxAge.Milliseconds(), next, trimBatch).Int64Slice()
	if err != nil {
		return 0, fmt.Errorf("trim events: %w: %w", ErrUnavailable, err)
	}
	if counts[1] > 0 {
		l.cfg.Log.Warn().Int64("events", counts[1]).Msg("events dropped before every group had read them")
	}
	return counts[0], nil
}

// Group is how far a group of readers got.
type Group struct {
	Name    string
	Lag     time.Duration // how far the last event it was given lies behind the newest
	Pending int64         // events given to it and not acknowledged

	next   place         // where it has to go on
	unread time.Duration // since somebody last asked for its events; 0: nobody ever did
}

// Groups tells how far each group got.
func (l *Log) Groups(ctx context.Context) ([]Group, error) {
	_, newest, err := l.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if newest == "" { // XINFO has an error for a stream that is not there
		return nil, nil
	}
	infos, err := l.rdb.XInfoGroups(ctx, StreamKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read groups: %w: %w", ErrUnavailable, err)
	}
	groups := make([]Group, 0, len(infos))
	for _, info := range infos {
		g, err := l.newGroup(ctx, info, placeOf(newest))
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

func (l *Log) newGroup(ctx context.Context, info redis.XInfoGroup, newest place) (Group, error) {
	last, err := parsePosition(info.LastDeliveredID)
	if err != nil { // miniredis keeps the "0" that the group was created with
		last = place{}
	}
	g := Group{Name: info.Name, Pending: info.Pending, next: place{last[0], last[1] + 1}}
	if info.Pending > 0 {
		pending, err := l.rdb.XPending(ctx, StreamKey, info.Name).Result()
		if err != nil {
			return Group{}, fmt.Errorf("read groups: %w: %w", ErrUnavailable, err)
		}
		if p, err := parsePosition(pending.Lower); err == nil {
			g.next = p
		}
	}
	readers, err := l.rdb.XInfoConsumers(ctx, StreamKey, info.Name).Result()
	if err != nil {
		return Group{}, fmt.Errorf("read groups: %w: %w", ErrUnavailable, err)
	}
	for i, r := range readers {
		if i == 0 || r.Idle < g.unread {
			g.unread = r.Idle
		}
	}
	if newest.after(last) && last[0] > 0 {
		g.Lag = time.Duration(newest[0]-last[0]) * time.Millisecond
	}
	return g, nil
}

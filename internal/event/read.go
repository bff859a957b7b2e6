package event

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// trimmedKey holds the position of the last event that was removed.
const trimmedKey = Prefix + "trimmed"

// Read returns events after the one with the given id, oldest first and at most
// limit; the empty id stands for the beginning. Errors: ErrInvalid, ErrUnavailable.
func (l *Log) Read(ctx context.Context, after string, limit int) ([]Event, error) {
	page, err := l.Follow(ctx, after, limit)
	return page.Events, err
}

// Page is what follows an event in the log.
type Page struct {
	Events []Event
	Next   string // the id to go on after
	// Gap means that events may be missing between the one asked about and Events: it
	// was removed long ago, or Redis has lost it.
	Gap bool
}

// Follow is Read for those who must know of gaps. After a gap it goes on with the
// oldest event behind it that is kept. When the event asked about lies beyond all that
// Redis has, which lost the end of the log, Follow goes on after the newest.
func (l *Log) Follow(ctx context.Context, after string, limit int) (Page, error) {
	pos, err := position(after)
	if err != nil {
		return Page{}, fmt.Errorf("read events: %w", err)
	}
	if events, ok := l.recall(after, limit); ok {
		return newPage(after, events), nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var asked, following, newest *redis.XMessageSliceCmd
	var trimmed *redis.StringCmd
	_, err = l.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		trimmed = pipe.Get(ctx, trimmedKey)
		asked = pipe.XRangeN(ctx, StreamKey, pos, pos, 1)
		following = pipe.XRangeN(ctx, StreamKey, "("+pos, "+", int64(limit))
		newest = pipe.XRevRangeN(ctx, StreamKey, "+", "-", 1)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Page{}, fmt.Errorf("read events: %w: %w", ErrUnavailable, err)
	}
	page := newPage(after, newEvents(following.Val()))
	if after == "" || len(asked.Val()) > 0 || trimmed.Val() == pos {
		return page, nil
	}
	page.Gap = true
	if len(page.Events) == 0 { // what is published next may lie before the event asked about
		page.Next = ""
		if last := newest.Val(); len(last) > 0 {
			page.Next = idPrefix + last[0].ID
		}
	}
	return page, nil
}

func newPage(after string, events []Event) Page {
	if len(events) > 0 {
		after = events[len(events)-1].ID
	}
	return Page{Events: events, Next: after}
}

// Bounds returns the ids of the oldest and the newest event, empty when there are
// none.
func (l *Log) Bounds(ctx context.Context) (oldest, newest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var first, last *redis.XMessageSliceCmd
	_, err = l.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		first = pipe.XRangeN(ctx, StreamKey, "-", "+", 1)
		last = pipe.XRevRangeN(ctx, StreamKey, "+", "-", 1)
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("read events: %w: %w", ErrUnavailable, err)
	}
	if len(first.Val()) == 0 || len(last.Val()) == 0 {
		return "", "", nil
	}
	return idPrefix + first.Val()[0].ID, idPrefix + last.Val()[0].ID, nil
}

// Before reports whether one id lies before another in the log. The empty id lies
// before every other.
func Before(a, b string) bool { return placeOf(b).after(placeOf(a)) }

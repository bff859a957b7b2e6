package geogate

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// silence is how long a stream may say nothing before its connection counts as
	// lost. geogate sends a comment every 15 s.
	silence = 40 * time.Second
	// maxLine bounds a line of a stream, in bytes: a map begins with all that is on it.
	maxLine = 32 << 20
)

var errSilent = errors.New("the stream is silent")

// Event is one event of a stream. Data is JSON, except where the description says
// otherwise.
type Event struct {
	ID   string // of the last event that had one: where to go on from
	Type string
	Data []byte
}

// FollowRide yields what happens to a ride, from its present state to its end: events
// whose type is a state have the Ride as their data, those of the type position where
// the driver is. See Stream.
func (c *Client) FollowRide(ctx context.Context, id string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for event, err := range c.Stream(ctx, ridePath(id, "/events"), "") {
			if !yield(event, err) || err != nil || ended(event.Type) {
				return
			}
		}
	}
}

// Stream yields the events of a path with its query, those behind the event with the
// id last, if any. It comes back after lost connections and goes on behind the last
// event. It ends when nothing more will come or ctx ends, or with an error that does
// not pass.
func (c *Client) Stream(ctx context.Context, target, last string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		hint := time.Second
		for failures := 0; ctx.Err() == nil; failures++ {
			wait, err := c.connect(ctx, target, &last, func(event Event) bool {
				failures = -1
				return yield(event, nil)
			}, &hint)
			switch {
			case err != nil:
				yield(Event{}, err)
				return
			case wait == over || ctx.Err() != nil:
				return
			case wait == 0:
				wait = max(hint, c.pauseAfter(nil, max(0, failures)))
			}
			if pause(ctx, wait) != nil {
				return
			}
		}
	}
}

// over is the pause after which a stream does not come back.
const over time.Duration = -1

// connect follows a stream until its connection ends. wait is when to come back; 0: as
// usual after a loss. An error does not pass.
func (c *Client) connect(ctx context.Context, target string, last *string, yield func(Event) bool, hint *time.Duration) (wait time.Duration, err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	watch := time.AfterFunc(silence, func() { giveUp(errSilent) })
	defer watch.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-Id", *last)
	}
	res, err := c.send(ctx, call{method: http.MethodGet, target: target, header: header})
	if err != nil {
		return 0, nil // a connection that is lost comes back
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNoContent:
		return over, nil
	case res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests:
		return c.pauseAfter(res, 0), nil
	case res.StatusCode != http.StatusOK:
		return over, refusal(res)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	var event Event
	var data []string
	for lines.Scan() {
		watch.Reset(silence)
		name, text, _ := strings.Cut(lines.Text(), ":")
		text = strings.TrimPrefix(text, " ")
		switch name {
		case "":
			if lines.Text() != "" { // a comment
				continue
			}
			if data != nil {
				if event.ID != "" {
					*last = event.ID
				}
				event.ID, event.Data = *last, []byte(strings.Join(data, "\n"))
				if !yield(event) {
					return over, nil
				}
			}
			event, data = Event{}, nil
		case "id":
			event.ID = text
		case "event":
			event.Type = text
		case "data":
			data = append(data, text)
		case "retry":
			if ms, err := strconv.Atoi(text); err == nil && ms >= 0 {
				*hint = time.Duration(ms) * time.Millisecond
			}
		}
	}
	return 0, nil // what is not whole is no event
}

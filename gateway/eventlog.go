package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"geogate/internal/event"
)

// streamBatch is how many events are read at a time.
const streamBatch = 100

// streamEvents is a stream of server-sent events of everything, or of the types
// asked for. A client that names the last event it got goes on from there, as
// far back as the log reaches; others begin now.
func (g *Gateway) streamEvents(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "types", "last_event_id", "lastEventId")
	if err != nil {
		return err
	}
	types := event.Patterns(listOf(query.Get("types")))
	if err := types.Check(); err != nil {
		return err
	}
	after := strings.TrimSpace(r.Header.Get("Last-Event-ID"))
	if after == "" {
		after = lastEventIDParameter(query)
	}
	after, gap, err := g.beginAfter(r.Context(), after)
	if err != nil {
		return err
	}
	return g.stream(w, r, func(ctx context.Context, s *eventStream) error {
		opening := retryHint() + "\n"
		if gap {
			opening = ": events before these are no longer kept\n" + opening
		}
		if err := s.send(opening); err != nil {
			return err
		}
		return g.followLog(ctx, s, types, after)
	})
}

// beginAfter returns the id of the event after which a stream begins. gap means
// that events between it and the oldest kept may be gone.
func (g *Gateway) beginAfter(ctx context.Context, named string) (after string, gap bool, err error) {
	if named != "" {
		if _, err := g.events.Log.Read(ctx, named, 1); err != nil { // also checks its form
			return "", false, err
		}
	}
	oldest, newest, err := g.events.Log.Bounds(ctx)
	switch {
	case err != nil:
		return "", false, err
	case named == "":
		return newest, false, nil
	}
	return named, event.Before(named, oldest), nil
}

// followLog sends events until the client or this process goes.
func (g *Gateway) followLog(ctx context.Context, s *eventStream, types event.Patterns, after string) error {
	wake, stop := g.events.Log.Listen()
	defer stop()
	for {
		events, err := g.events.Log.Read(ctx, after, streamBatch)
		if err != nil && !errors.Is(err, event.ErrUnavailable) { // a stream outlives an outage
			return fmt.Errorf("follow events: %w", err)
		}
		var text strings.Builder
		for _, e := range events {
			after = e.ID
			if types.Match(e.Type) {
				fmt.Fprintf(&text, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Type, e.Envelope())
			}
		}
		if text.Len() > 0 {
			if err := s.send(text.String()); err != nil {
				return err
			}
		}
		if len(events) == 0 {
			until, cancel := g.awaiting(ctx, time.Until(s.last.Add(g.heartbeat)))
			if err != nil {
				pause(until, storePause)
			} else {
				select {
				case <-until.Done():
				case <-wake:
				}
			}
			cancel()
		}
		switch {
		case ctx.Err() != nil:
			return nil // the client has gone away, which is how streams end
		case g.draining.Err() != nil:
			return s.send(retryHint() + ": stopping\n\n")
		case time.Since(s.last) >= g.heartbeat:
			if err := s.send(":\n\n"); err != nil {
				return err
			}
		}
	}
}

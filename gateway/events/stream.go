package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"geogate/gateway/exchange"
	"geogate/internal/event"
)

// streamBatch is how many events are read at a time.
const streamBatch = 100

// Stream is a stream of all events, or of the types asked for. A client that
// names the last event it got goes on from there, as far back as the log
// reaches; others begin now.
func (a *API) Stream(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "types", "last_event_id", "lastEventId")
	if err != nil {
		return err
	}
	types := event.Patterns(exchange.List(query.Get("types")))
	if err := types.Check(); err != nil {
		return err
	}
	after, gap, err := a.beginAfter(r.Context(), exchange.LastEventID(r, query))
	if err != nil {
		return err
	}
	opening := "\n"
	if gap {
		opening = ": events before these are no longer kept\n\n"
	}
	wake, stop := a.engine.Log.Listen()
	defer stop()
	return a.streams.Serve(w, r, opening, func(ctx context.Context) (text string, last bool, err error) {
		events, err := a.engine.Log.Read(r.Context(), after, streamBatch)
		switch {
		case errors.Is(err, event.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow events: %w", err)
		case len(events) == 0:
			select {
			case <-ctx.Done():
			case <-wake:
			}
		}
		var told strings.Builder
		for _, e := range events {
			after = e.ID
			if types.Match(e.Type) {
				told.WriteString(exchange.Event(e.ID, e.Type, e.Envelope()))
			}
		}
		return told.String(), false, nil
	})
}

// beginAfter returns the id of the event after which a stream begins. gap means
// that events between it and the oldest kept may be gone.
func (a *API) beginAfter(ctx context.Context, named string) (after string, gap bool, err error) {
	if named != "" {
		if _, err := a.engine.Log.Read(ctx, named, 1); err != nil { // also checks its form
			return "", false, err
		}
	}
	oldest, newest, err := a.engine.Log.Bounds(ctx)
	switch {
	case err != nil:
		return "", false, err
	case named == "":
		return newest, false, nil
	}
	return named, event.Before(named, oldest), nil
}

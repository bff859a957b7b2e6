package events

import (
	"context"
	"encoding/json"
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
// reaches; others begin now. Where events may be missing, then or later, an
// event of its own says so.
func (a *API) Stream(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "types", "last_event_id", "lastEventId", "access_token")
	if err != nil {
		return err
	}
	types := event.Patterns(exchange.List(query.Get("types")))
	if err := types.Check(); err != nil {
		return err
	}
	after, err := a.beginAfter(r.Context(), exchange.LastEventID(r, query))
	if err != nil {
		return err
	}
	wake, stop := a.engine.Log.Listen()
	defer stop()
	return a.streams.Serve(w, r, "\n", func(ctx context.Context) (text string, last bool, err error) {
		page, err := a.engine.Log.Follow(r.Context(), after, streamBatch)
		switch {
		case errors.Is(err, event.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow events: %w", err)
		case len(page.Events) == 0 && !page.Gap:
			select {
			case <-ctx.Done():
			case <-wake:
			}
			return "", false, nil
		}
		var told strings.Builder
		if page.Gap {
			told.WriteString(gap(after, page))
		}
		after = page.Next
		for _, e := range page.Events {
			if types.Match(e.Type) {
				told.WriteString(exchange.Event(e.ID, e.Type, e.Envelope()))
			}
		}
		return told.String(), false, nil
	})
}

// gap tells a client that events may be missing, whatever types it asked for. It is an
// event because browsers do not show comments, and its id is where the stream goes on.
func gap(after string, page event.Page) string {
	id := page.Next
	if len(page.Events) > 0 {
		id = after
	}
	data, err := json.Marshal(map[string]string{"type": event.GapType, "after": after})
	if err != nil { // strings always encode
		panic(err)
	}
	return exchange.Event(id, event.GapType, data)
}

// beginAfter returns the id of the event after which a stream begins.
func (a *API) beginAfter(ctx context.Context, named string) (string, error) {
	if named != "" {
		_, err := a.engine.Log.Read(ctx, named, 1) // checks its form
		return named, err
	}
	_, newest, err := a.engine.Log.Bounds(ctx)
	return newest, err
}

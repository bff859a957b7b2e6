package rides

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// Follow is a stream of events: the present state of a ride first, then each
// change, in order and without a gap, until the ride has ended.
//
// A client that has seen some of it names the last event that it got, and
// goes on from there; if Redis has lost that, with the present state. One that has seen the end gets 204, which is how the
// standard tells a browser not to come again.
func (a *API) Follow(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	seen, err := lastRevision(r)
	if err != nil {
		return err
	}
	ride, err := a.engine.Ride(as(r), id)
	if err != nil {
		return fmt.Errorf("stream ride: %w", err)
	}
	exchange.Of(r).RideID = ride.ID
	if ride.State.Ended() && (seen == ride.Revision || string(seen) == strconv.FormatInt(ride.Version, 10)) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	owner := dispatch.OwnerOf(as(r))
	following := a.engine.FollowRide(id, seen)
	defer following.Close()
	var way wayAhead
	return a.Streams.Serve(w, r, "\n", func(ctx context.Context) (events string, last bool, err error) {
		update, err := following.Next(dispatch.As(ctx, owner))
		switch {
		case errors.Is(err, dispatch.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow ride: %w", err)
		case update.Position != nil:
			return a.positionEvent(ctx, &way, following.Ride(), *update.Position), false, nil
		}
		var text strings.Builder
		for _, ride := range update.Rides {
			text.WriteString(event(r, ride))
		}
		return text.String(), update.Ended, nil
	})
}

// lastRevision is the event that the client saw last; "": none.
func lastRevision(r *http.Request) (dispatch.Revision, error) {
	query, err := exchange.LooseParameters(r.URL)
	if err != nil {
		return "", err
	}
	seen := dispatch.Revision(exchange.LastEventID(r, query))
	if seen != "" && !seen.Valid() {
		return "", exchange.BadRequest("invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream").
			WithHint("leave it out to begin with the present state")
	}
	return seen, nil
}

func event(r *http.Request, ride dispatch.Ride) string {
	data, err := json.Marshal(rideFor(r, ride))
	if err != nil { // strings, numbers and times always encode
		panic(err)
	}
	return exchange.Event(string(ride.Revision), string(ride.State), data)
}

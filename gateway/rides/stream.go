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
// A client that has seen some of it names the last version that it got, and
// goes on from there. One that has seen the end gets 204, which is how the
// standard tells a browser not to come again.
func (a *API) Follow(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	seen, err := exchange.LastVersion(r)
	if err != nil {
		return err
	}
	ride, err := a.engine.Ride(r.Context(), id)
	if err != nil {
		return fmt.Errorf("stream ride: %w", err)
	}
	exchange.Of(r).RideID = ride.ID
	if seen > ride.Version { // Redis has lost what the client saw
		seen = 0
	}
	if seen == ride.Version && ride.State.Ended() {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return a.Streams.Serve(w, r, "\n", func(ctx context.Context) (events string, last bool, err error) {
		versions, err := a.engine.Changes(ctx, id, seen)
		switch {
		case errors.Is(err, dispatch.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow ride: %w", err)
		}
		var text strings.Builder
		for _, ride := range versions {
			text.WriteString(event(ride))
			if seen = ride.Version; ride.State.Ended() {
				return text.String(), true, nil
			}
		}
		return text.String(), false, nil
	})
}

func event(ride dispatch.Ride) string {
	data, err := json.Marshal(newWireRide(ride))
	if err != nil { // strings, numbers and times always encode
		panic(err)
	}
	return exchange.Event(strconv.FormatInt(ride.Version, 10), string(ride.State), data)
}

package rides

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// Online takes a driver on shift.
func (a *API) Online(w http.ResponseWriter, r *http.Request) error { return a.setShift(w, r, true) }

// Offline takes a driver off shift, after the ride that they have.
func (a *API) Offline(w http.ResponseWriter, r *http.Request) error { return a.setShift(w, r, false) }

func (a *API) setShift(w http.ResponseWriter, r *http.Request, on bool) error {
	id, region, err := driverOf(r)
	if err != nil {
		return err
	}
	var body struct{}
	if err := exchange.DecodeAny(w, r, &body); err != nil {
		return err
	}
	if !isOwn(r, id) {
		return fmt.Errorf("set shift: %w", dispatch.ErrNotFound)
	}
	d, err := a.engine.SetShift(r.Context(), region, id, on)
	if err != nil {
		return fmt.Errorf("set shift: %w", err)
	}
	exchange.Of(r).RideID = d.RideID
	return exchange.Respond(w, http.StatusOK, newTrackedDriver(d))
}

// FollowDriver is a driver's own stream: their shift, the offers made to them, and each version
// of their rides. It begins with the present state, and ends with the client or the process.
//
// The id of an event is that of a ride and of its version. A client that comes again with it
// learns what has become of that ride meanwhile.
func (a *API) FollowDriver(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.LooseParameters(r.URL)
	if err != nil {
		return err
	}
	driver, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	if !isOwn(r, driver) {
		return fmt.Errorf("stream driver: %w", dispatch.ErrNotFound)
	}
	ride, seen, err := lastOfRide(exchange.LastEventID(r, query))
	if err != nil {
		return err
	}
	following, err := a.engine.FollowDriver(query.Get("region"), driver, ride, seen)
	if err != nil {
		return fmt.Errorf("stream driver: %w", err)
	}
	defer following.Close()
	return a.Streams.Serve(w, r, "\n", func(ctx context.Context) (events string, last bool, err error) {
		update, err := following.Next(ctx)
		switch {
		case errors.Is(err, dispatch.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow driver: %w", err)
		}
		return driverEvents(update), false, nil
	})
}

// lastOfRide reads the id of an event, the ride and its version; "": none.
func lastOfRide(id string) (ride string, seen dispatch.Revision, err error) {
	if id == "" {
		return "", "", nil
	}
	ride, version, _ := strings.Cut(id, "/")
	seen = dispatch.Revision(version)
	if ride == "" || !seen.Valid() {
		return "", "", exchange.BadRequest("invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream").
			WithHint("leave it out to begin with the present state")
	}
	return ride, seen, nil
}

func driverEvents(u dispatch.DriverUpdate) string {
	var text strings.Builder
	write := func(id, kind string, v any) {
		data, err := json.Marshal(v)
		if err != nil { // strings, numbers and times always encode
			panic(err)
		}
		if id == "" {
			fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", kind, data)
			return
		}
		text.WriteString(exchange.Event(id, kind, data))
	}
	if u.Shift != nil {
		write("", "shift", newTrackedDriver(*u.Shift))
	}
	for _, ride := range u.Rides {
		write(ride.ID+"/"+string(ride.Revision), string(ride.State), newWireRide(ride))
	}
	if u.Released != "" {
		write("", "released", struct {
			RequestID string `json:"request_id"`
		}{u.Released})
	}
	if u.Offer != nil {
		write("", "offered", newWireOffer(*u.Offer))
	}
	return text.String()
}

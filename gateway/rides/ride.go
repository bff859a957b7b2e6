package rides

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// wireRide is a ride on the wire. The driver is where they were when the ride got
// them, not where they are now, so that a version of a ride always looks the same.
type wireRide struct {
	RequestID string         `json:"request_id"`
	State     dispatch.State `json:"state"`
	Version   int64          `json:"version"`
	Reason    string         `json:"reason,omitempty"`
	Pickup    point          `json:"pickup"`
	RiderID   string         `json:"rider_id,omitempty"`
	Vehicle   string         `json:"vehicle,omitempty"`
	Tags      []string       `json:"tags,omitempty"`
	Region    string         `json:"region"`
	Driver    *rideDriver    `json:"driver"`
	CreatedAt exchange.Time  `json:"created_at"`
	UpdatedAt exchange.Time  `json:"updated_at"`
	ExpiresAt exchange.Time  `json:"expires_at"`
}

type rideDriver struct {
	ID        string  `json:"id"`
	Lat       float64 `json:"lat"`
	Lng       float64 `json:"lng"`
	DistanceM float64 `json:"distance_m"`
}

func newWireRide(r dispatch.Ride) wireRide {
	wire := wireRide{
		RequestID: r.ID, State: r.State, Version: r.Version, Reason: r.Reason,
		Pickup:  point{r.Pickup.Lat, r.Pickup.Lon},
		RiderID: r.RiderID, Vehicle: r.Vehicle, Tags: r.Tags, Region: r.Region,
		CreatedAt: exchange.Time(r.CreatedAt), UpdatedAt: exchange.Time(r.UpdatedAt), ExpiresAt: exchange.Time(r.ExpiresAt),
	}
	if d := r.Driver; d != nil {
		wire.Driver = &rideDriver{d.DriverID, d.Point.Lat, d.Point.Lon, centimetres(d.DistanceM)}
	}
	return wire
}

// rideRequest is the body of POST /v2/search.
type rideRequest struct {
	Q string `json:"q"`
	exchange.Coordinates
	RiderID exchange.ID `json:"rider_id"`
	Vehicle string      `json:"vehicle"`
	Tags    []string    `json:"tags"`
	Region  string      `json:"region"`
}

// requestedRide is the answer to POST /v2/search: the ride, and where its pickup
// came from.
type requestedRide struct {
	wireRide
	Cache bool            `json:"cache"`
	Place *exchange.Place `json:"place,omitempty"`
}

// Request creates a ride and makes its first attempt.
func (a *API) Request(w http.ResponseWriter, r *http.Request) error {
	var body rideRequest
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	if !own(r, &body.RiderID) {
		return errNotYours
	}
	key, fingerprint := r.Header.Get("Idempotency-Key"), ""
	var claim string
	if key != "" {
		var replayed *dispatch.Ride
		var err error
		fingerprint = body.fingerprint()
		claim, replayed, err = a.engine.ClaimKey(r.Context(), body.Region, string(body.RiderID), key, fingerprint)
		if err != nil {
			return fmt.Errorf("request ride: %w", err)
		}
		if replayed != nil {
			w.Header().Set("Idempotency-Replayed", "true")
			return a.respondRequested(w, r, *replayed, origin{})
		}
	}
	from, ride, err := a.create(w, r, body, dispatch.RideRequest{
		RiderID: string(body.RiderID), Vehicle: body.Vehicle, Tags: body.Tags, Region: body.Region,
		Subject: string(body.RiderID), IdempotencyKey: key, Fingerprint: fingerprint, Claim: claim,
	})
	if err != nil {
		return err
	}
	return a.respondRequested(w, r, ride, from)
}

// create looks up the pickup and creates the ride. After an error the idempotency key
// is given back at once: if a ride came of it all the same, the key leads to it.
func (a *API) create(w http.ResponseWriter, r *http.Request, body rideRequest, request dispatch.RideRequest) (origin, dispatch.Ride, error) {
	from, err := a.pickup(w, r, body.Q, body.Coordinates)
	if err == nil {
		request.Pickup = from.point
		var ride dispatch.Ride
		if ride, err = a.engine.Request(r.Context(), request); err == nil {
			return from, ride, nil
		}
		err = fmt.Errorf("request ride: %w", err)
	}
	if request.Claim != "" {
		ctx := context.WithoutCancel(r.Context()) // a client that went away comes again with this key
		err = errors.Join(err, a.engine.DropKey(ctx, request.Region, request.Subject, request.IdempotencyKey, request.Claim))
	}
	return origin{}, dispatch.Ride{}, err
}

// fingerprint tells requests with one idempotency key apart by what they mean,
// not by how they are spelled.
func (b *rideRequest) fingerprint() string {
	if b.Lng == nil {
		b.Lng, b.Lon = b.Lon, nil
	} else if b.Lon != nil && *b.Lon == *b.Lng {
		b.Lon = nil
	}
	canonical, err := json.Marshal(b)
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16])
}

func (a *API) respondRequested(w http.ResponseWriter, r *http.Request, ride dispatch.Ride, from origin) error {
	exchange.Of(r).RideID = ride.ID
	w.Header().Set("Location", "/v2/requests/"+ride.ID)
	return exchange.Respond(w, http.StatusOK, requestedRide{newWireRide(ride), from.cached, from.place})
}

// Get tells how a ride stands; with ?wait= it waits for a change from the version
// that the client has, which it names by If-None-Match, else from the present
// one.
func (a *API) Get(w http.ResponseWriter, r *http.Request) error {
	id, wait, _, err := exchange.IDAndWait(r)
	if err != nil {
		return err
	}
	ride, err := a.engine.Ride(as(r), id)
	if err != nil {
		return err
	}
	exchange.Of(r).RideID = ride.ID
	held := r.Header.Get("If-None-Match")
	if wait > 0 && !ride.State.Ended() && (held == "" || exchange.NotModified(r, etagOf(ride))) {
		if ride, err = a.awaitChange(r, ride, wait); err != nil {
			return err
		}
	}
	w.Header().Set("ETag", etagOf(ride))
	if exchange.NotModified(r, etagOf(ride)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return exchange.Respond(w, http.StatusOK, newWireRide(ride))
}

// awaitChange returns the ride after its next change, or as it was when nothing
// changed in time.
func (a *API) awaitChange(r *http.Request, ride dispatch.Ride, wait time.Duration) (dispatch.Ride, error) {
	ctx, cancel := a.Streams.Await(as(r), wait)
	defer cancel()
	changed, err := a.engine.Wait(ctx, ride.ID, ride.Revision)
	if err != nil && ctx.Err() != nil {
		return ride, nil
	}
	return changed, err
}

func etagOf(ride dispatch.Ride) string {
	return `"` + string(ride.Revision) + `"`
}

// JSON is a ride as GET /v2/requests/{id} shows it.
func JSON(ride dispatch.Ride) (json.RawMessage, error) { return json.Marshal(newWireRide(ride)) }

package rides

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	Pickup    rideStop       `json:"pickup"`
	PickupAt  *exchange.Time `json:"pickup_at,omitempty"`
	RiderID   string         `json:"rider_id,omitempty"`
	Vehicle   string         `json:"vehicle,omitempty"`
	Tags      []string       `json:"tags,omitempty"`
	Region    string         `json:"region"`
	wireDetails
	Driver    *rideDriver   `json:"driver"`
	CreatedAt exchange.Time `json:"created_at"`
	UpdatedAt exchange.Time `json:"updated_at"`
	ExpiresAt exchange.Time `json:"expires_at"`
}

// wireDetails are for the rider and the driver who has the ride.
type wireDetails struct {
	Dropoff  *rideStop         `json:"dropoff,omitempty"`
	Note     string            `json:"note,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// rideStop is where a ride begins or ends, and its place if an address was given.
type rideStop struct {
	point
	Place json.RawMessage `json:"place,omitempty"`
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
		Pickup:  rideStop{point{r.Pickup.Lat, r.Pickup.Lon}, r.PickupPlace},
		RiderID: r.RiderID, Vehicle: r.Vehicle, Tags: r.Tags, Region: r.Region,
		CreatedAt: exchange.Time(r.CreatedAt), UpdatedAt: exchange.Time(r.UpdatedAt), ExpiresAt: exchange.Time(r.ExpiresAt),
	}
	wire.PickupAt = exchange.OptionalTime(r.PickupAt)
	wire.wireDetails = wireDetails{Note: r.Note, Metadata: r.Metadata}
	if r.Dropoff != nil {
		wire.Dropoff = &rideStop{point{r.Dropoff.Lat, r.Dropoff.Lon}, r.DropoffPlace}
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

	// What came later is left out when it is empty, so that the fingerprint of a request
	// stays what it was in earlier releases.
	Dropoff  *stop             `json:"dropoff,omitempty"`
	Note     string            `json:"note,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	PickupAt *pickupTime       `json:"pickup_at,omitempty"`
}

// stop is an address or a position.
type stop struct {
	Q string `json:"q"`
	exchange.Coordinates
}

// requestedRide is the answer to POST /v2/search: the ride, and where its ends came
// from.
type requestedRide struct {
	wireRide
	Cache        bool            `json:"cache"`
	Place        *exchange.Place `json:"place,omitempty"`
	DropoffCache *bool           `json:"dropoff_cache,omitempty"`
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
	var found *ends
	if key != "" {
		var replayed *dispatch.Ride
		var err error
		fingerprint = body.fingerprint()
		looked := headless{w, http.Header{}} // a replay tells of no look
		if found, err = a.findAhead(looked, r, &body); err != nil {
			return err
		}
		claim, replayed, err = a.engine.ClaimKey(r.Context(), body.Region, string(body.RiderID), key, fingerprint)
		if err != nil {
			return fmt.Errorf("request ride: %w", err)
		}
		if replayed != nil {
			w.Header().Set("Idempotency-Replayed", "true")
			return a.respondRequested(w, r, *replayed, ends{})
		}
		maps.Copy(w.Header(), looked.header)
	}
	from, ride, err := a.create(w, r, body, found, dispatch.RideRequest{
		RiderID: string(body.RiderID), Vehicle: body.Vehicle, Tags: body.Tags, Region: body.Region,
		Details: body.details(),
		Subject: string(body.RiderID), IdempotencyKey: key, Fingerprint: fingerprint, Claim: claim,
	})
	if err != nil {
		return err
	}
	return a.respondRequested(w, r, ride, from)
}

// findAhead looks up the ends of a ride ahead of its idempotency key where that must be
// claimed in the region that follows from the pickup. Otherwise it returns nil, and the key
// comes first: who repeats a request need not wait for a geocoder.
func (a *API) findAhead(w http.ResponseWriter, r *http.Request, body *rideRequest) (*ends, error) {
	if body.Region != "" || !a.engine.RegionsByPlace() {
		return nil, nil //nolint:nilnil // nothing was looked up
	}
	found, err := a.find(w, r, *body)
	if err != nil {
		return nil, err
	}
	if body.Region, err = a.engine.RegionOf("", found.from.point); err != nil {
		return nil, fmt.Errorf("request ride: %w", err)
	}
	return &found, nil
}

func (b *rideRequest) details() dispatch.Details {
	d := dispatch.Details{Note: b.Note, Metadata: b.Metadata}
	if b.PickupAt != nil {
		d.PickupAt = time.Time(*b.PickupAt)
	}
	return d
}

// ends are where a ride begins and ends; to is nil without a drop-off.
type ends struct {
	from origin
	to   *origin
}

// find looks up both ends of a ride.
func (a *API) find(w http.ResponseWriter, r *http.Request, body rideRequest) (found ends, err error) {
	if body.Dropoff != nil {
		// The headers of the answer tell of the pickup alone.
		to, err := a.pickup(headless{w, http.Header{}}, r, body.Dropoff.Q, body.Dropoff.Coordinates)
		if err != nil {
			return ends{}, aboutDropoff(err)
		}
		found.to = &to
	}
	found.from, err = a.pickup(w, r, body.Q, body.Coordinates)
	return found, err
}

// aboutDropoff says of which end an error tells.
func aboutDropoff(err error) error {
	var p *exchange.Problem
	if !errors.As(err, &p) {
		return fmt.Errorf("dropoff: %w", err)
	}
	about := *p
	about.Detail = "dropoff: " + p.Detail
	return &about
}

// headless takes headers that nobody shall see.
type headless struct {
	http.ResponseWriter
	header http.Header
}

func (h headless) Header() http.Header { return h.header }

// create looks up the ends, unless they were found, and creates the ride. After an error
// the idempotency key is given back at once: if a ride came of it all the same, the key
// leads to it.
func (a *API) create(w http.ResponseWriter, r *http.Request, body rideRequest, found *ends, request dispatch.RideRequest) (from ends, ride dispatch.Ride, err error) {
	err = a.MayRequest()
	switch {
	case err != nil:
	case found != nil:
		from = *found
	default:
		from, err = a.find(w, r, body)
	}
	if err == nil {
		request.Pickup, request.PickupPlace = from.from.point, from.from.json()
		if to := from.to; to != nil {
			request.Dropoff, request.DropoffPlace = &to.point, to.json()
		}
		if ride, err = a.engine.Request(r.Context(), request); err == nil {
			return from, ride, nil
		}
		err = fmt.Errorf("request ride: %w", err)
	}
	if request.Claim != "" {
		ctx := context.WithoutCancel(r.Context()) // a client that went away comes again with this key
		err = errors.Join(err, a.engine.DropKey(ctx, request.Region, request.Subject, request.IdempotencyKey, request.Claim))
	}
	return ends{}, dispatch.Ride{}, err
}

// fingerprint tells requests with one idempotency key apart by what they mean,
// not by how they are spelled.
func (b *rideRequest) fingerprint() string {
	for _, c := range []*exchange.Coordinates{&b.Coordinates, b.Dropoff.coordinates()} {
		switch {
		case c == nil:
		case c.Lng == nil:
			c.Lng, c.Lon = c.Lon, nil
		case c.Lon != nil && *c.Lon == *c.Lng:
			c.Lon = nil
		}
	}
	canonical, err := json.Marshal(b)
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16])
}

func (s *stop) coordinates() *exchange.Coordinates {
	if s == nil {
		return nil
	}
	return &s.Coordinates
}

func (a *API) respondRequested(w http.ResponseWriter, r *http.Request, ride dispatch.Ride, found ends) error {
	exchange.Of(r).RideID = ride.ID
	w.Header().Set("Location", "/v2/requests/"+ride.ID)
	answer := requestedRide{wireRide: newWireRide(ride), Cache: found.from.cached, Place: found.from.place}
	if ride.Dropoff != nil {
		answer.DropoffCache = new(found.to != nil && found.to.cached)
	}
	return exchange.Respond(w, http.StatusOK, answer)
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
	return exchange.Respond(w, http.StatusOK, rideFor(r, ride))
}

// rideFor is a ride as a caller may see it: a driver who was only asked learns where it
// begins.
func rideFor(r *http.Request, ride dispatch.Ride) wireRide {
	wire := newWireRide(ride)
	subject, bound := exchange.Of(r).Caller.Own()
	if bound && ride.State == dispatch.Offered && ride.RiderID != subject {
		wire.wireDetails = wireDetails{}
	}
	return wire
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

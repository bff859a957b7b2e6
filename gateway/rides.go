package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"geogate/dispatch"
)

// wireRide is a ride on the wire. The driver is as the ride got him, not where
// he is now, so that a version of a ride always looks the same.
type wireRide struct {
	RequestID string         `json:"request_id"`
	State     dispatch.State `json:"state"`
	Version   int64          `json:"version"`
	Reason    string         `json:"reason,omitempty"`
	Pickup    wirePoint      `json:"pickup"`
	RiderID   string         `json:"rider_id,omitempty"`
	Vehicle   string         `json:"vehicle,omitempty"`
	Tags      []string       `json:"tags,omitempty"`
	Region    string         `json:"region"`
	Driver    *wireDriver    `json:"driver"`
	CreatedAt wireTime       `json:"created_at"`
	UpdatedAt wireTime       `json:"updated_at"`
	ExpiresAt wireTime       `json:"expires_at"`
}

type wirePoint struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

type wireDriver struct {
	ID        string  `json:"id"`
	Lat       float64 `json:"lat"`
	Lng       float64 `json:"lng"`
	DistanceM float64 `json:"distance_m"`
}

func newWireRide(r dispatch.Ride) wireRide {
	wire := wireRide{
		RequestID: r.ID, State: r.State, Version: r.Version, Reason: r.Reason,
		Pickup:  wirePoint{r.Pickup.Lat, r.Pickup.Lon},
		RiderID: r.RiderID, Vehicle: r.Vehicle, Tags: r.Tags, Region: r.Region,
		CreatedAt: wireTime(r.CreatedAt), UpdatedAt: wireTime(r.UpdatedAt), ExpiresAt: wireTime(r.ExpiresAt),
	}
	if d := r.Driver; d != nil {
		wire.Driver = &wireDriver{d.DriverID, d.Point.Lat, d.Point.Lon, centimetres(d.DistanceM)}
	}
	return wire
}

// rideRequest is the body of POST /v2/search.
type rideRequest struct {
	Q string `json:"q"`
	coordinates
	RiderID ident    `json:"rider_id"`
	Vehicle string   `json:"vehicle"`
	Tags    []string `json:"tags"`
	Region  string   `json:"region"`
}

// requestedRide is the answer to POST /v2/search: the ride, and how its pickup
// was come by.
type requestedRide struct {
	wireRide
	Cache bool        `json:"cache"`
	Place *foundPlace `json:"place,omitempty"`
}

// requestRide creates a ride and makes its first attempt.
func (g *Gateway) requestRide(w http.ResponseWriter, r *http.Request) error {
	var body rideRequest
	if err := decode(w, r, &body); err != nil {
		return err
	}
	key, fingerprint := r.Header.Get("Idempotency-Key"), ""
	var claim string
	if key != "" {
		var replayed *dispatch.Ride
		var err error
		fingerprint = body.fingerprint()
		claim, replayed, err = g.engine.ClaimKey(r.Context(), body.Region, key, fingerprint)
		if err != nil {
			return fmt.Errorf("request ride: %w", err)
		}
		if replayed != nil {
			w.Header().Set("Idempotency-Replayed", "true")
			return g.respondRequested(w, r, *replayed, origin{})
		}
	}
	from, ride, err := g.createRide(w, r, body, dispatch.RideRequest{
		RiderID: string(body.RiderID), Vehicle: body.Vehicle, Tags: body.Tags, Region: body.Region,
		IdempotencyKey: key, Fingerprint: fingerprint, Claim: claim,
	})
	if err != nil {
		return err
	}
	return g.respondRequested(w, r, ride, from)
}

// createRide looks up the pickup and creates the ride. The idempotency key is
// given back when no ride can have come of it.
func (g *Gateway) createRide(w http.ResponseWriter, r *http.Request, body rideRequest, request dispatch.RideRequest) (origin, dispatch.Ride, error) {
	from, err := g.pickup(w, r, body.Q, body.coordinates)
	if err == nil {
		request.Pickup = from.point
		var ride dispatch.Ride
		if ride, err = g.engine.Request(r.Context(), request); err == nil {
			return from, ride, nil
		}
		err = fmt.Errorf("request ride: %w", err)
	}
	if request.Claim != "" && !errors.Is(err, dispatch.ErrUnavailable) {
		ctx := context.WithoutCancel(r.Context()) // whoever went away will come again with this key
		err = errors.Join(err, g.engine.DropKey(ctx, request.Region, request.IdempotencyKey, request.Claim))
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

func (g *Gateway) respondRequested(w http.ResponseWriter, r *http.Request, ride dispatch.Ride, from origin) error {
	exchangeOf(r).rideID = ride.ID
	w.Header().Set("Location", "/v2/requests/"+ride.ID)
	return g.respond(w, http.StatusOK, requestedRide{newWireRide(ride), from.cached, from.place})
}

// getRide tells how a ride stands; with ?wait= it waits for a change from the
// version that the client has, which it names by If-None-Match, else from the
// present one.
func (g *Gateway) getRide(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "wait")
	if err != nil {
		return err
	}
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	ride, err := g.engine.Ride(r.Context(), id)
	if err != nil {
		return err
	}
	exchangeOf(r).rideID = ride.ID
	held := r.Header.Get("If-None-Match")
	if wait > 0 && !ride.State.Ended() && (held == "" || notModified(r, rideETag(ride))) {
		if ride, err = g.awaitChange(r, ride, wait); err != nil {
			return err
		}
	}
	w.Header().Set("ETag", rideETag(ride))
	if notModified(r, rideETag(ride)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return g.respond(w, http.StatusOK, newWireRide(ride))
}

// awaitChange returns the ride after its next change, or as it was when nothing
// changed in time.
func (g *Gateway) awaitChange(r *http.Request, ride dispatch.Ride, wait time.Duration) (dispatch.Ride, error) {
	ctx, cancel := g.awaiting(r.Context(), wait)
	defer cancel()
	changed, err := g.engine.Wait(ctx, ride.ID, ride.Version)
	if err != nil && ctx.Err() != nil {
		return ride, nil
	}
	return changed, err
}

func rideETag(ride dispatch.Ride) string {
	return `"` + strconv.FormatInt(ride.Version, 10) + `"`
}

// rideRef is the body of requests about a ride. Ids are strings; a number is
// accepted because some clients keep ids as numbers.
type rideRef struct {
	RequestID ident `json:"request_id"`
}

func (g *Gateway) cancelRide(w http.ResponseWriter, r *http.Request) error {
	id, err := rideOf(w, r)
	if err != nil {
		return err
	}
	ride, err := g.engine.Cancel(r.Context(), id)
	if err != nil {
		return err
	}
	exchangeOf(r).rideID = ride.ID
	return g.respond(w, http.StatusOK, newWireRide(ride))
}

func (g *Gateway) completeRide(w http.ResponseWriter, r *http.Request) error {
	id, err := rideOf(w, r)
	if err != nil {
		return err
	}
	ride, err := g.engine.Complete(r.Context(), id)
	if err != nil {
		return err
	}
	exchangeOf(r).rideID = ride.ID
	return g.respond(w, http.StatusOK, newWireRide(ride))
}

func rideOf(w http.ResponseWriter, r *http.Request) (string, error) {
	var body rideRef
	if err := decode(w, r, &body); err != nil {
		return "", err
	}
	if body.RequestID == "" {
		return "", badRequest("missing_request_id", "request_id is needed")
	}
	return string(body.RequestID), nil
}

package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"geogate/internal/geo"
	"geogate/internal/trace"
)

// State is where a ride stands.
type State string

// The states of a ride. The last three are ends.
const (
	Scheduled State = "scheduled" // for later: it does not search yet
	Searching State = "searching"
	Offered   State = "offered" // a driver was asked and has not answered
	Matched   State = "matched" // its driver is on the way to the pickup
	Arrived   State = "arrived" // its driver is at the pickup
	Started   State = "started" // its rider is on board
	Completed State = "completed"
	Cancelled State = "cancelled"
	Expired   State = "expired"
)

// Ended reports whether nothing can happen any more.
func (s State) Ended() bool { return s == Completed || s == Cancelled || s == Expired }

// UnderWay reports whether the ride has its driver, who is busy with it.
func (s State) UnderWay() bool { return s == Matched || s == Arrived || s == Started }

// Ride is one version of a rider's ride. What it holds depends on ID and Revision alone,
// so a revision serves as an entity tag.
type Ride struct {
	ID      string
	Region  string
	State   State
	Version int64 // 1 when created, one more with each transition
	// Revision tells the version apart from the same one in a history that Redis lost.
	Revision Revision
	// Reason says what brought the ride to its state where that is not obvious:
	// "declined", "lapsed" (an offer), "deadline", "ride_ttl" (completed by the clock),
	// "driver_lost" (matched, and not heard of for LostAfter), "lost" (the driver of an
	// offer had vanished from Redis), or what Cancel or Release was told.
	Reason  string
	Pickup  geo.Point
	RiderID string // empty: not given
	Vehicle string
	Tags    []string
	Details
	// Driver is who was asked, matched or has done the ride; nil otherwise.
	Driver    *Assignment
	CreatedAt time.Time
	UpdatedAt time.Time // of this version
	ExpiresAt time.Time // when the search ends; a ride given back gets a new one
	// Trace is the traceparent of the request that created the ride, or "".
	Trace string
}

// Details are what a rider says about a ride besides where it begins. Drivers are not
// chosen by it.
type Details struct {
	Dropoff  *geo.Point        // nil: not given
	Note     string            // for the driver; at most MaxNoteLen characters
	Metadata map[string]string // the caller's own; at most MaxMetadata texts of MaxValueLen characters
	// PickupAt is when the rider wants to be picked up, at most 30 days ahead; zero: now.
	PickupAt time.Time
	// PickupPlace and DropoffPlace are what the caller knows of them, in JSON.
	PickupPlace, DropoffPlace json.RawMessage
}

// Limits of Details, in characters where not said otherwise.
const (
	MaxNoteLen  = 280
	MaxMetadata = 16 // texts
	MaxNameLen  = 64 // of a text in the metadata
	MaxValueLen = 500
)

func (d Details) check() *InputError {
	if d.Dropoff != nil {
		if err := checkPoint(*d.Dropoff); err != nil {
			return &InputError{err.Code, "dropoff: " + err.Detail}
		}
	}
	if !isText(d.Note, MaxNoteLen) {
		return &InputError{CodeInvalidNote, fmt.Sprintf("note is at most %d characters of UTF-8", MaxNoteLen)}
	}
	if len(d.Metadata) > MaxMetadata {
		return &InputError{CodeInvalidMetadata, fmt.Sprintf("metadata has at most %d members", MaxMetadata)}
	}
	for name, value := range d.Metadata {
		if name == "" || !isText(name, MaxNameLen) || !isText(value, MaxValueLen) {
			return &InputError{CodeInvalidMetadata, fmt.Sprintf("metadata has names of 1 to %d and texts of at most %d characters", MaxNameLen, MaxValueLen)}
		}
	}
	return nil
}

// isText reports whether s is at most so many characters, on one line or more.
func isText(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && !unprintable(strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(s))
}

// fields are the details as a ride's hash holds them, each name with its value.
func (d Details) fields() []any {
	var flat []any
	add := func(name, value string) {
		if value != "" {
			flat = append(flat, name, value)
		}
	}
	if d.Dropoff != nil {
		add("to_lat", formatFloat(d.Dropoff.Lat))
		add("to_lng", formatFloat(d.Dropoff.Lon))
	}
	if len(d.Metadata) > 0 {
		text, err := json.Marshal(d.Metadata)
		if err != nil {
			panic(fmt.Sprintf("dispatch: encode metadata: %v", err)) // strings
		}
		add("metadata", string(text))
	}
	add("note", d.Note)
	add("place", string(d.PickupPlace))
	add("to_place", string(d.DropoffPlace))
	if !d.PickupAt.IsZero() {
		add("pickup_at", strconv.FormatInt(d.PickupAt.UnixMilli(), 10))
	}
	return flat
}

// details reads what fields has written.
func (r *record) details() Details {
	d := Details{Note: r.fields["note"]}
	if text := r.fields["to_lat"]; text != "" {
		d.Dropoff = &geo.Point{Lat: r.float("to_lat", text), Lon: r.float("to_lng", r.fields["to_lng"])}
	}
	if text := r.fields["metadata"]; text != "" && json.Unmarshal([]byte(text), &d.Metadata) != nil {
		r.fail("metadata")
	}
	if r.fields["pickup_at"] != "" {
		d.PickupAt = r.time("pickup_at")
	}
	for name, place := range map[string]*json.RawMessage{"place": &d.PickupPlace, "to_place": &d.DropoffPlace} {
		if text := r.fields[name]; text != "" {
			*place = json.RawMessage(text)
		}
	}
	return d
}

// Assignment is a driver as they were when the ride got them; Driver tells where they
// are now.
type Assignment struct {
	DriverID  string
	Point     geo.Point
	DistanceM float64 // metres to the pickup, great circle
}

// RideRequest asks for a driver.
type RideRequest struct {
	Pickup  geo.Point
	Region  string   // empty: see Config.RegionAt
	RiderID string   // optional; counts against MaxPerRider
	Vehicle string   // optional filter
	Tags    []string // optional filter: the driver has all of them
	Details

	// IdempotencyKey makes repeated requests lead to one ride, within Retention. In another
	// region it is ErrKeyReused. Fingerprint is any digest of the request's content; the same key with
	// another one is ErrKeyReused. Claim is what ClaimKey returned, if it was called.
	// Keys are Subject's own: another subject's same key is another key.
	Subject        string
	IdempotencyKey string
	Fingerprint    string
	Claim          string
}

func (r RideRequest) check() *InputError {
	if err := checkPoint(r.Pickup); err != nil {
		return err
	}
	if r.RiderID != "" {
		if err := checkID(r.RiderID); err != nil {
			return &InputError{err.Code, "rider_" + err.Detail}
		}
	}
	if err := checkVehicle(r.Vehicle); err != nil {
		return err
	}
	if err := checkTags(r.Tags); err != nil {
		return err
	}
	if err := r.Details.check(); err != nil {
		return err
	}
	return checkKey(r.IdempotencyKey)
}

// Request creates a ride and makes its first attempt in the same step, so the ride
// may come back matched (or offered), or scheduled when its time is further ahead than Lead. Repeating a request with the same
// IdempotencyKey returns the ride that the first one made, as it is now.
// Errors: InputError, ErrRiderCap, ErrRideCap, ErrKeyReused, ErrKeyInFlight,
// ErrUnavailable (then the ride may exist; only the idempotency key tells).
func (e *Engine) Request(ctx context.Context, r RideRequest) (Ride, error) {
	if err := r.check(); err != nil {
		return Ride{}, fmt.Errorf("request ride: %w", err)
	}
	region, refused := e.regionOf(r.Region, r.Pickup)
	if refused != nil {
		return Ride{}, fmt.Errorf("request ride: %w", refused)
	}
	at := ""
	if !r.PickupAt.IsZero() {
		at = strconv.FormatInt(r.PickupAt.UnixMilli(), 10)
	}
	id, key := newRideID(region), digest(r.Subject, r.IdempotencyKey)
	ctx, span := trace.Start(ctx, trace.Internal, "create ride")
	defer span.End()
	answer, err := e.claiming(ctx, region, key, r.Claim, r.PickupAt, func(claim string) (reply, error) {
		args := append([]any{
			id, formatFloat(r.Pickup.Lat), formatFloat(r.Pickup.Lon), r.RiderID,
			r.Vehicle, encodeTags(r.Tags), key, r.Fingerprint, claim, at,
		}, r.fields()...)
		if parent := trace.Header(ctx); parent != "" {
			args = append(args, "trace", parent)
		}
		return e.run(ctx, requestScript, region, args...)
	})
	if err != nil {
		return Ride{}, fmt.Errorf("request ride: %w", err)
	}
	ride, err := answer.rideOrRefusal()
	if err != nil {
		return Ride{}, fmt.Errorf("request ride: %w", err)
	}
	if named := answer.strings(3); len(named) > 0 {
		c, err := newChoice(region, ride.ID, ride.Pickup, named)
		if err != nil {
			return Ride{}, fmt.Errorf("request ride: %w", err)
		}
		// The ride is there. If this fails, the region's worker chooses in a second.
		if answer, err := e.choose(context.WithoutCancel(ctx), c); err == nil && answer.code == "ok" {
			if chosen, err := answer.ride(); err == nil {
				return chosen, nil
			}
		}
	}
	return ride, nil
}

// Ride returns a ride as it is now. Errors: ErrNotFound, ErrUnavailable.
func (e *Engine) Ride(ctx context.Context, id string) (Ride, error) {
	ride, err := e.onRide(ctx, id, rideScript)
	if err != nil {
		return Ride{}, fmt.Errorf("read ride: %w", err)
	}
	return ride, nil
}

// Revision names a version of a ride in one history of it: "2-9f86d081884c". A failover
// of Redis can lose the end of a history, and the ride then reaches the same version in
// another way. It is opaque to clients, and serves as an entity tag.
type Revision string

// revision makes the name from the line of history, which holds all that a version shows
// and the time when it was reached.
func revision(version int64, history string) Revision {
	sum := sha256.Sum256([]byte(history))
	return Revision(strconv.FormatInt(version, 10) + "-" + hex.EncodeToString(sum[:6]))
}

// version returns the number in a revision. Clients of releases before this one send the
// number alone, which names the version in any history.
func (r Revision) version() (n int64, exact bool) {
	number, _, exact := strings.Cut(string(r), "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n, exact
}

// Valid reports whether a client can have got the revision from us.
func (r Revision) Valid() bool {
	n, exact := r.version()
	if !exact {
		return n > 0 || r == "0"
	}
	_, mark, _ := strings.Cut(string(r), "-")
	raw, err := hex.DecodeString(mark)
	return err == nil && len(raw) == 6 && n > 0
}

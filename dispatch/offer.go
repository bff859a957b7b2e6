package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"geogate/internal/geo"
	"geogate/internal/lua"
)

// Offer asks a driver whether they take a ride.
type Offer struct {
	ID        string
	RideID    string
	DriverID  string
	Pickup    geo.Point
	DistanceM float64 // metres from the driver to the pickup when they were asked
	ExpiresAt time.Time
}

// Offers returns the offers that a driver may answer now: none or one, since a driver
// is reserved for one ride at a time. It waits for one until ctx ends, then returns
// none. Their home is looked up; region, which may be empty, helps only before their
// first position. Errors: InputError, ErrUnavailable; an
// unknown driver has no offers, and may wait before their first position.
func (e *Engine) Offers(ctx context.Context, region, driver string) ([]Offer, error) {
	var offers []Offer
	err := e.checkOffered(region, driver)
	if err == nil {
		err = e.await(ctx, driverTopic(driver), func(ctx context.Context) (bool, error) {
			offers, err = e.offers(ctx, region, driver)
			return len(offers) > 0, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	return offers, nil
}

// OffersNow is Offers without the wait.
func (e *Engine) OffersNow(ctx context.Context, region, driver string) ([]Offer, error) {
	var offers []Offer
	err := e.checkOffered(region, driver)
	if err == nil {
		offers, err = e.offers(ctx, region, driver)
	}
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	return offers, nil
}

func (e *Engine) checkOffered(region, driver string) error {
	if region != "" {
		if _, refused := e.regionNamed(region); refused != nil {
			return refused
		}
	}
	return asError(checkID(driver))
}

// offers looks in the driver's home, whichever region they ask in.
func (e *Engine) offers(ctx context.Context, region, driver string) ([]Offer, error) {
	if e.manyRegions() {
		found, err := e.homes(ctx, []string{driver})
		if err != nil {
			return nil, err
		}
		if found[driver] != nil {
			region = found[driver].Region
		}
	}
	if region == "" {
		region = DefaultRegion
	}
	if !slices.Contains(e.regions, region) {
		return nil, nil // a driver who was never heard of, where there is no default region
	}
	answer, err := e.run(ctx, offersScript, region, driver)
	if err != nil || len(answer.values) < 2 {
		return nil, err
	}
	id, _ := answer.values[0].(string)
	offer, err := newRecord(id, answer.strings(1)).offer()
	if err != nil {
		return nil, err
	}
	return []Offer{offer}, nil
}

func (r *record) offer() (Offer, error) {
	o := Offer{
		ID:        r.id + "." + r.fields["offer"],
		RideID:    r.id,
		DriverID:  r.fields["driver"],
		Pickup:    r.point(),
		DistanceM: r.float("distance", r.fields["distance"]),
		ExpiresAt: r.time("offer_until"),
	}
	return o, r.err
}

// Accept takes the ride offered: the ride returned is matched with the driver.
// Accepting again returns the ride as it is now. Errors: ErrNotFound for an offer that
// does not exist or was made to another driver, *StateError when it has lapsed, was
// declined or the ride has ended, ErrUnavailable.
func (e *Engine) Accept(ctx context.Context, offerID, driver string) (Ride, error) {
	ride, err := e.onOffer(ctx, acceptScript, offerID, driver)
	if err != nil {
		return Ride{}, fmt.Errorf("accept offer: %w", err)
	}
	return ride, nil
}

// Decline refuses the ride offered. The next driver is asked at once; this one is
// available again, and never asked for the same ride again. Declining again is not an
// error. The ride returned has gone on without the driver: do not show it to them.
// Errors: as for Accept.
func (e *Engine) Decline(ctx context.Context, offerID, driver string) (Ride, error) {
	ride, err := e.onOffer(ctx, declineScript, offerID, driver)
	if err != nil {
		return Ride{}, fmt.Errorf("decline offer: %w", err)
	}
	return ride, nil
}

func (e *Engine) onOffer(ctx context.Context, s lua.Script, offerID, driver string) (Ride, error) {
	rideID, token, ok := splitOfferID(offerID)
	if !ok || checkID(driver) != nil {
		return Ride{}, ErrNotFound
	}
	region, _ := regionOfRide(rideID)
	answer, err := e.run(ctx, s, region, rideID, token, driver)
	if err != nil {
		return Ride{}, err
	}
	return answer.rideOrRefusal()
}

// DriverFollower follows what concerns a driver: their shift, the offers made to them and each
// version of the rides that they have. It is for one goroutine. Close must be called.
type DriverFollower struct {
	e          *Engine
	region, id string
	wake       <-chan struct{}
	stop       func()
	tick       *time.Ticker

	began   bool
	onShift bool     // as told last
	ride    string   // the ride that was told of last, until they have it no more
	after   Revision // the version of it that was told last
}

// DriverUpdate is what a DriverFollower tells of, in this order.
type DriverUpdate struct {
	Shift    *Driver // first, and when they went on shift or off
	Rides    []Ride  // versions that show them as the driver, and the end of such a ride
	Released string  // a ride that they were asked to take or had, and have no more
	Offer    *Offer  // which they may answer now
}

func (u *DriverUpdate) empty() bool {
	return u.Shift == nil && len(u.Rides) == 0 && u.Released == "" && u.Offer == nil
}

// FollowDriver begins with the present state. A driver may be followed before they are
// known. ride and after, which may be empty, are what was told before: what has
// become of it comes first.
func (e *Engine) FollowDriver(region, id, ride string, after Revision) (*DriverFollower, error) {
	if err := e.checkOffered(region, id); err != nil {
		return nil, fmt.Errorf("follow driver: %w", err)
	}
	f := &DriverFollower{e: e, region: region, id: id, ride: ride, after: after}
	f.wake, f.stop = e.hub.Listen(driverTopic(id))
	every := pollEvery
	if e.subscribed.Load() {
		every = lookEvery
	}
	f.tick = time.NewTicker(every)
	return f, nil
}

// Close ends it.
func (f *DriverFollower) Close() {
	f.stop()
	f.tick.Stop()
}

// Next waits for an update, and returns an empty one when ctx ends first.
// Errors: ErrUnavailable, after which Next may be called again.
func (f *DriverFollower) Next(ctx context.Context) (DriverUpdate, error) {
	for {
		u, err := f.look(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return DriverUpdate{}, nil //nolint:nilerr // the caller has ended it
		case err != nil:
			return DriverUpdate{}, fmt.Errorf("follow driver: %w", err)
		case !u.empty():
			return u, nil
		}
		select {
		case <-ctx.Done():
			return DriverUpdate{}, nil
		case <-f.wake:
		case <-f.tick.C:
		}
	}
}

// look notes what it tells only when nothing fails any more, so that it is told the next time.
func (f *DriverFollower) look(ctx context.Context) (u DriverUpdate, err error) {
	next := *f
	d, err := f.e.Driver(ctx, f.region, f.id)
	switch {
	case errors.Is(err, ErrNotFound):
		err = nil
	case err != nil:
		return u, err
	case !f.began || f.onShift != d.OnShift:
		next.began, next.onShift, u.Shift = true, d.OnShift, &d
	}
	if next.ride != "" {
		err = next.follow(ctx, &u)
	}
	// The ride that has just come to its end is not looked at again.
	if err == nil && next.ride == "" && d.RideID != "" && d.RideID != f.ride {
		next.ride = d.RideID
		err = next.follow(ctx, &u)
	}
	if err != nil {
		return DriverUpdate{}, err
	}
	*f = next
	return u, nil
}

// follow adds what has become of the ride since, and leaves it when the driver has it no more.
func (f *DriverFollower) follow(ctx context.Context, u *DriverUpdate) error {
	rides, ended, err := f.e.versions(As(ctx, Owner{Driver: f.id}), f.ride, f.after)
	if errors.Is(err, ErrNotFound) {
		u.Released = f.ride
		f.ride, f.after = "", ""
		return nil
	}
	if err != nil {
		return err
	}
	for _, ride := range rides {
		f.after = ride.Revision
		if driverOf(ride) != f.id && ride.State != Cancelled {
			continue // before they came, or between two times that they were asked
		}
		if ride.State != Offered {
			u.Rides = append(u.Rides, ride)
			continue
		}
		offers, err := f.e.offers(ctx, f.region, f.id)
		if err != nil {
			return err
		}
		if len(offers) > 0 && offers[0].RideID == ride.ID {
			u.Offer = &offers[0]
		}
	}
	if ended {
		f.ride, f.after = "", ""
	}
	return nil
}

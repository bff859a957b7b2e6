package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"geogate/internal/geo"

	"github.com/redis/go-redis/v9"
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
		err = e.await(ctx, driverTopic(driver), func() (bool, error) {
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

func (e *Engine) onOffer(ctx context.Context, s *redis.Script, offerID, driver string) (Ride, error) {
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

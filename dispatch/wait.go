package dispatch

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Wait returns the ride as soon as its version is above after or it has ended, and
// as it is when ctx ends; that is not an error. Errors: ErrNotFound, ErrUnavailable.
func (e *Engine) Wait(ctx context.Context, id string, after int64) (Ride, error) {
	var ride Ride
	err := e.await(ctx, rideTopic(id), func() (bool, error) {
		next, err := e.onRide(ctx, id, rideScript)
		if err != nil {
			return false, err
		}
		ride = next
		return ride.Version > after || ride.State.Ended(), nil
	})
	if err != nil {
		return Ride{}, fmt.Errorf("wait for ride: %w", err)
	}
	return ride, nil
}

// versionsKept is how many versions of a ride can be read, as in rides.lua.
const versionsKept = 64

// Changes is Wait for those who must not miss a version: it returns every version
// above after, in order, as soon as there is one. With after below 1 it returns the
// present version alone, to begin with. It returns none when ctx ends first, or when
// the ride has ended at version after: then nothing will ever come.
// Errors: ErrNotFound, ErrUnavailable.
//
// An event stream is a loop: call Changes with the last version sent, and a context
// that ends when it is time for a heartbeat, until a version has ended.
func (e *Engine) Changes(ctx context.Context, id string, after int64) ([]Ride, error) {
	var rides []Ride
	err := e.await(ctx, rideTopic(id), func() (bool, error) {
		r, err := e.rideRecord(ctx, id, rideScript)
		if err != nil {
			return false, err
		}
		last, err := r.ride()
		if err != nil {
			return false, err
		}
		from := max(after+1, last.Version-versionsKept+1)
		if after < 1 {
			from = last.Version
		}
		for version := from; version <= last.Version; version++ {
			ride, err := r.rideAt(version)
			if err != nil {
				return false, err
			}
			rides = append(rides, ride)
		}
		return len(rides) > 0 || last.State.Ended(), nil
	})
	if err != nil {
		return nil, fmt.Errorf("follow ride: %w", err)
	}
	return rides, nil
}

// RideAt returns a ride as it was at one of its versions, which is what an Event tells
// of. Errors: ErrNotFound, ErrUnavailable.
func (e *Engine) RideAt(ctx context.Context, id string, version int64) (Ride, error) {
	r, err := e.rideRecord(ctx, id, rideScript)
	if err != nil {
		return Ride{}, fmt.Errorf("read ride: %w", err)
	}
	if last := r.integer("version"); version < 1 || version > last || version <= last-versionsKept {
		return Ride{}, fmt.Errorf("read ride: %w", ErrNotFound)
	}
	ride, err := r.rideAt(version)
	if err != nil {
		return Ride{}, fmt.Errorf("read ride: %w", err)
	}
	return ride, nil
}

func (e *Engine) rideRecord(ctx context.Context, id string, s *redis.Script) (*record, error) {
	region, ok := regionOfRide(id)
	if !ok {
		return nil, ErrNotFound
	}
	answer, err := e.run(ctx, s, region, id)
	if err != nil {
		return nil, err
	}
	if answer.code == "not_found" {
		return nil, ErrNotFound
	}
	if len(answer.values) < 2 {
		return nil, fmt.Errorf("%w: script answered %s", ErrUnavailable, strconv.Quote(answer.code))
	}
	return newRecord(id, answer.strings(1)), nil
}

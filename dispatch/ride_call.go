package dispatch

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// onRide runs a script about one ride. An id that cannot be one is unknown.
func (e *Engine) onRide(ctx context.Context, id string, s *redis.Script) (Ride, error) {
	region, ok := regionOfRide(id)
	if !ok {
		return Ride{}, ErrNotFound
	}
	owner := OwnerOf(ctx)
	answer, err := e.run(ctx, s, region, id, owner.Rider, owner.Driver)
	if err != nil {
		return Ride{}, err
	}
	return answer.rideOrRefusal()
}

// rideOrRefusal is the one place that knows what a script's codes mean.
func (r reply) rideOrRefusal() (Ride, error) {
	switch r.code {
	case "ok", "replayed":
		return r.ride()
	case "too_late":
		ride, err := r.ride()
		if err != nil {
			return Ride{}, err
		}
		return Ride{}, &StateError{Ride: ride}
	case "not_found":
		return Ride{}, ErrNotFound
	case "engaged":
		return Ride{}, ErrDriverEngaged
	case "rider_cap":
		return Ride{}, ErrRiderCap
	case "ride_cap":
		return Ride{}, ErrRideCap
	case "key_reused":
		return Ride{}, ErrKeyReused
	case "key_in_flight":
		return Ride{}, ErrKeyInFlight
	}
	return Ride{}, fmt.Errorf("%w: script answered %q", ErrUnavailable, r.code)
}

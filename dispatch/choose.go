package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"geogate/internal/geo"
	"geogate/internal/trace"
)

// TimesFunc tells how many seconds the way takes from each point to one. Without an
// error it has one for each, infinite where there is no way. It returns when its context
// ends: later times are of no use. See [Config].
type TimesFunc func(ctx context.Context, from []geo.Point, to geo.Point) ([]float64, error)

const (
	// candidates is how many drivers are asked about: the nearest in a straight line.
	candidates = 16
	// chooseWithin is how long a match may wait for the times.
	chooseWithin = 300 * time.Millisecond
	// choosingMost is how many waiting rides a process asks about at a time. The others
	// go to the nearest driver: nobody waits for the times of somebody else's ride.
	choosingMost = 256
)

// A choice is a ride whose drivers a script has named, for this process to order.
type choice struct {
	region, ride string
	pickup       geo.Point
	drivers      []string // by distance from the pickup
	points       []geo.Point
}

// newChoice reads what a script has named: id, lat and lng of each driver.
func newChoice(region, ride string, pickup geo.Point, named []string) (choice, error) {
	c := choice{region: region, ride: ride, pickup: pickup}
	for i := 0; i+2 < len(named); i += 3 {
		p, err := decodePoint(named[i+1], named[i+2])
		if err != nil {
			return choice{}, err
		}
		c.drivers, c.points = append(c.drivers, named[i]), append(c.points, p)
	}
	return c, nil
}

func decodePoint(lat, lng string) (geo.Point, error) {
	y, errY := strconv.ParseFloat(lat, 64)
	x, errX := strconv.ParseFloat(lng, 64)
	if err := errors.Join(errY, errX); err != nil {
		return geo.Point{}, fmt.Errorf("%w: decode position: %w", ErrUnavailable, err)
	}
	return geo.Point{Lat: y, Lon: x}, nil
}

// chooseAside chooses without keeping its caller, a worker, from the next ride. If it
// fails, the ride is due again in a second.
func (e *Engine) chooseAside(ctx context.Context, c choice) {
	select {
	case e.choosing <- struct{}{}:
		e.aside.Go(func() {
			defer func() { <-e.choosing }()
			_, _ = e.choose(ctx, c)
		})
	default:
		_, _ = e.claimFirst(ctx, c, c.drivers)
	}
}

// choose gives the ride to the quickest of the drivers who is still free. Where nobody
// knows the times in time, that is the nearest.
func (e *Engine) choose(ctx context.Context, c choice) (reply, error) {
	ctx, span := trace.Start(ctx, trace.Internal, "choose driver")
	defer span.End()
	span.Set("geogate.ride_id", c.ride)
	span.SetNumber("geogate.candidates", int64(len(c.drivers)))
	return e.claimFirst(ctx, c, e.order(ctx, c))
}

// claimFirst gives the ride to the first of the drivers who is still free.
func (e *Engine) claimFirst(ctx context.Context, c choice, drivers []string) (reply, error) {
	args := make([]any, 0, 1+len(drivers))
	args = append(args, c.ride)
	for _, id := range drivers {
		args = append(args, id)
	}
	return e.run(ctx, chooseScript, c.region, args...)
}

// order returns the drivers, the quickest first. Those who take as long stay in the order
// of their distance.
func (e *Engine) order(ctx context.Context, c choice) []string {
	if len(c.drivers) < 2 {
		return c.drivers
	}
	ctx, cancel := context.WithTimeout(ctx, chooseWithin)
	defer cancel()
	times, err := e.cfg.Times(ctx, c.points, c.pickup)
	if err != nil || len(times) != len(c.drivers) || slices.ContainsFunc(times, math.IsNaN) {
		return c.drivers
	}
	ranks := make([]int, len(times))
	for i := range ranks {
		ranks[i] = i
	}
	slices.SortStableFunc(ranks, func(a, b int) int { return cmp.Compare(times[a], times[b]) })
	ordered := make([]string, len(ranks))
	for i, n := range ranks {
		ordered[i] = c.drivers[n]
	}
	return ordered
}

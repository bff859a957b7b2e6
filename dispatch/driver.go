package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"geogate/internal/geo"
)

// DriverState is what a driver is doing.
type DriverState string

// The states of a driver. Only available ones are candidates.
const (
	Offline   DriverState = "offline" // not heard of for DriverTTL
	Available DriverState = "available"
	Reserved  DriverState = "reserved" // for a ride that was offered
	Busy      DriverState = "busy"     // with a matched ride
)

// Driver is what is known of a driver.
type Driver struct {
	ID      string
	Region  string
	Point   geo.Point
	State   DriverState
	Vehicle string
	Tags    []string
	SeenAt  time.Time // when the last position arrived
	Motion            // as the last position said
	RideID  string    // of a reserved or busy driver
}

// Driver returns what is known of a driver now, in the region or, if that is empty, in
// their home.
// Errors: InputError, ErrNotFound, ErrUnavailable.
func (e *Engine) Driver(ctx context.Context, region, id string) (Driver, error) {
	found, err := e.drivers(ctx, region, id)
	if err != nil {
		return Driver{}, fmt.Errorf("read driver: %w", err)
	}
	best := found[0]
	for _, d := range found[1:] {
		if d.SeenAt.After(best.SeenAt) {
			best = d
		}
	}
	return best, nil
}

// DeleteDriver erases what is known of a driver, in the region or, if that is empty,
// in all. Errors: InputError, ErrNotFound, ErrDriverEngaged while the driver is
// reserved or busy, ErrUnavailable.
func (e *Engine) DeleteDriver(ctx context.Context, region, id string) error {
	found, err := e.drivers(ctx, region, id)
	if err != nil {
		return fmt.Errorf("delete driver: %w", err)
	}
	// Erasing them here and then finding them engaged there would be half a deletion.
	for _, d := range found {
		if d.State == Reserved || d.State == Busy {
			return fmt.Errorf("delete driver: %w", ErrDriverEngaged)
		}
	}
	for _, d := range found {
		answer, err := e.run(ctx, forgetScript, d.Region, id)
		if err != nil {
			return fmt.Errorf("delete driver: %w", err)
		}
		switch answer.code {
		case "ok", "not_found": // somebody else was faster
			if !e.manyRegions() {
				break
			}
			if err := e.dropHome(ctx, id, d.Region); err != nil {
				return fmt.Errorf("delete driver: %w", err)
			}
		default:
			_, err := answer.rideOrRefusal()
			return fmt.Errorf("delete driver: %w", err)
		}
	}
	return nil
}

// drivers looks a driver up in one region or in all, and returns at least one.
func (e *Engine) drivers(ctx context.Context, region, id string) ([]Driver, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	regions, err := e.regionsOf(ctx, region, id)
	if err != nil {
		return nil, err
	}
	calls := make([]call, len(regions))
	for i, region := range regions {
		calls[i] = call{region, []any{id}}
	}
	replies, err := e.runAll(ctx, driverScript, calls)
	if err != nil {
		return nil, err
	}
	var found []Driver
	for i, r := range replies {
		if r.code == "not_found" {
			continue
		}
		d, err := newRecord(id, r.strings(0)).driver(regions[i])
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	return found, nil
}

// regionsOf returns where a driver may be: in the region named or else at home. A
// driver whose home was forgotten may be anywhere.
func (e *Engine) regionsOf(ctx context.Context, region, id string) ([]string, error) {
	if region != "" {
		if _, refused := e.regionNamed(region); refused != nil {
			return nil, refused
		}
		return []string{region}, nil
	}
	if e.manyRegions() {
		found, err := e.homes(ctx, []string{id})
		if err != nil {
			return nil, err
		}
		if found[id] != nil && slices.Contains(e.regions, found[id].Region) {
			return []string{found[id].Region}, nil
		}
	}
	return e.regions, nil
}

func (r *record) driver(region string) (Driver, error) {
	d := Driver{
		ID: r.id, Region: region,
		Point:   r.point(),
		State:   DriverState(r.fields["state"]),
		Vehicle: r.fields["vehicle"],
		Tags:    decodeTags(r.fields["tags"]),
		SeenAt:  r.time("seen"),
		Motion:  r.motion(r.fields["motion"]),
		RideID:  r.fields["ride"],
	}
	return d, r.err
}

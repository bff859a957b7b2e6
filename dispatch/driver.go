package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"geogate/internal/geo"
	"geogate/internal/pause"
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
	OnShift bool      // false: as soon as they have no ride they are Offline, wherever they report from
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

// SetShift takes a driver on shift or off and returns them as they are then. Off shift they
// are Offline, after the ride that they have; an offer that waits for their answer is declined.
// Back on shift they are Available at once if they were heard of within DriverTTL and there is
// room, else with their next position. The shift is remembered for as long as they are, at
// least for Retention. Repeating it changes nothing. Errors: InputError, ErrNotFound, ErrUnavailable.
func (e *Engine) SetShift(ctx context.Context, region, id string, on bool) (Driver, error) {
	to := "off"
	if on {
		to = "on"
	}
	between := pause.NewGrowing(5*time.Millisecond, 50*time.Millisecond)
	for try := 1; ; try++ {
		known, err := e.homeOf(ctx, id)
		if err != nil {
			return Driver{}, fmt.Errorf("set shift: %w", err)
		}
		regions, err := e.regionsOf(region, known)
		if err != nil {
			return Driver{}, fmt.Errorf("set shift: %w", err)
		}
		for _, region := range regions {
			answer, err := e.run(ctx, shiftScript, region, id, to)
			if err != nil {
				return Driver{}, fmt.Errorf("set shift: %w", err)
			}
			if answer.code == "ok" {
				return newRecord(id, answer.strings(0)).driver(region)
			}
		}
		// Who has a home that does not know them is on the way there, for a moment.
		if known == nil || try == homeTries {
			return Driver{}, fmt.Errorf("set shift: %w", ErrNotFound)
		}
		if err := pause.For(ctx, between.Next()); err != nil {
			return Driver{}, fmt.Errorf("set shift: %w: %w", ErrUnavailable, err)
		}
	}
}

// DeleteDriver erases what is known of a driver, in the region or, if that is empty,
// in all. Errors: InputError, ErrNotFound, ErrDriverEngaged while the driver is
// reserved or busy, ErrUnavailable.
func (e *Engine) DeleteDriver(ctx context.Context, region, id string) error {
	erased := false
	for range homeTries {
		known, err := e.homeOf(ctx, id)
		if err != nil {
			return fmt.Errorf("delete driver: %w", err)
		}
		regions, err := e.regionsOf(region, known)
		if err == nil {
			err = e.refuseEngaged(ctx, regions, id)
		}
		if err != nil {
			return fmt.Errorf("delete driver: %w", err)
		}
		done := true
		for _, region := range regions {
			code, err := e.forget(ctx, region, id, known)
			if err != nil {
				return fmt.Errorf("delete driver: %w", err)
			}
			erased = erased || code == "ok"
			done = done && code != "moved"
		}
		switch {
		case !done: // begin anew
		case erased:
			return nil
		default:
			return fmt.Errorf("delete driver: %w", ErrNotFound)
		}
	}
	return fmt.Errorf("delete driver: %w: %w", ErrUnavailable, errMoving)
}

// refuseEngaged lets nobody be erased in one region and then found engaged in another.
func (e *Engine) refuseEngaged(ctx context.Context, regions []string, id string) error {
	if len(regions) == 1 {
		return nil // forget looks
	}
	found, err := e.readDriver(ctx, regions, id)
	for _, d := range found {
		if d.State == Reserved || d.State == Busy {
			return ErrDriverEngaged
		}
	}
	return err
}

// forget erases a driver in a region and, if it is their home as the caller knows it, the
// record of that. "moved" means that they have another turn by now, so that it must begin anew.
func (e *Engine) forget(ctx context.Context, region, id string, known *home) (code string, err error) {
	var turn any = ""
	atHome := known != nil && known.Region == region
	if atHome {
		turn = known.nextTurn()
	}
	answer, err := e.run(ctx, forgetScript, region, id, turn)
	if err != nil {
		return "", err
	}
	switch answer.code {
	case "engaged":
		return "", ErrDriverEngaged
	case "ok", "not_found":
		if !atHome {
			return answer.code, nil
		}
		if done, err := e.swapHome(ctx, id, known, nil); err != nil || done {
			return "ok", err // though only the record was left of them
		}
	}
	return "moved", nil
}

// arrivalWithin is for how long a driver is looked for who is known nowhere. Who crosses a
// border is in neither region for a round trip or two, and with nobody for longer only if
// the process that moved them has died.
const arrivalWithin = 500 * time.Millisecond

// drivers looks a driver up in one region or, where none is named, wherever they are. It
// returns at least one.
func (e *Engine) drivers(ctx context.Context, region, id string) ([]Driver, error) {
	pauses := pause.NewGrowing(2*time.Millisecond, 20*time.Millisecond)
	for end := time.Now().Add(arrivalWithin); ; {
		known, err := e.homeOf(ctx, id)
		if err != nil {
			return nil, err
		}
		regions, err := e.regionsOf(region, known)
		if err != nil {
			return nil, err
		}
		found, err := e.readDriver(ctx, regions, id)
		if err != nil || len(found) > 0 {
			return found, err
		}
		// Who has a home that does not know them is on the way there.
		if region != "" || known == nil || time.Now().After(end) || pauses.Wait(ctx) != nil {
			return nil, ErrNotFound
		}
	}
}

// homeOf reads the home of a driver, nil where there is none or only one region.
func (e *Engine) homeOf(ctx context.Context, id string) (*home, error) {
	if err := checkID(id); err != nil || !e.manyRegions() {
		return nil, asError(err)
	}
	found, err := e.homes(ctx, []string{id})
	return found[id], err
}

// regionsOf returns where a driver may be: in the region named or else at home. A
// driver whose home was forgotten may be anywhere.
func (e *Engine) regionsOf(region string, known *home) ([]string, error) {
	if region != "" {
		if _, refused := e.regionNamed(region); refused != nil {
			return nil, refused
		}
		return []string{region}, nil
	}
	if known != nil && slices.Contains(e.regions, known.Region) {
		return []string{known.Region}, nil
	}
	return e.regions, nil
}

// readDriver returns what each of the regions knows of a driver.
func (e *Engine) readDriver(ctx context.Context, regions []string, id string) ([]Driver, error) {
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
	return found, nil
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
		OnShift: r.fields["off"] == "",
	}
	return d, r.err
}

package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"geogate/internal/geo"
)

// Positions travel in scripts of trackChunk, so that Redis serves others in between,
// and trackRound of them per round trip, so that one stays within a client's read
// timeout also on a slow server.
const (
	trackChunk = 128
	trackRound = 4
)

// Position says where a driver is.
type Position struct {
	ID     string // the driver's; at most MaxIDLen bytes
	Point  geo.Point
	Region string // empty: DefaultRegion. The same id in two regions is two drivers
	// Time is when the position was taken, by the driver's clock; zero if unknown. It
	// orders a driver's positions and nothing else: whether a driver was heard of goes
	// by the time of arrival.
	Time    time.Time
	Vehicle *string   // nil: as before
	Tags    *[]string // nil: as before
}

func (p Position) check() *InputError {
	if err := checkID(p.ID); err != nil {
		return err
	}
	if err := checkPoint(p.Point); err != nil {
		return err
	}
	if err := checkRegion(orDefault(p.Region)); err != nil {
		return err
	}
	if p.Vehicle != nil {
		if err := checkVehicle(*p.Vehicle); err != nil {
			return err
		}
	}
	if p.Tags != nil {
		return checkTags(*p.Tags)
	}
	return nil
}

// args are the six values of a position in track.lua.
func (p Position) args() []any {
	ts, vehicle, tags := "", "", ""
	if !p.Time.IsZero() {
		ts = strconv.FormatInt(p.Time.UnixMilli(), 10)
	}
	if p.Vehicle != nil {
		vehicle = "=" + *p.Vehicle
	}
	if p.Tags != nil {
		tags = "=" + encodeTags(*p.Tags)
	}
	return []any{p.ID, formatFloat(p.Point.Lat), formatFloat(p.Point.Lon), ts, vehicle, tags}
}

// TrackResult tells what became of each position of one Track.
type TrackResult struct {
	Accepted int
	Rejected []Rejection // by Index, ascending
}

// Rejection is a position that had no effect.
type Rejection struct {
	Index  int // in the list given to Track
	ID     string
	Code   string // one of the Code constants
	Detail string
}

// Track stores positions, in order. The first position of a driver who was not
// available makes them available and, in the same step, tries waiting rides nearby;
// a reserved or busy driver only moves. Positions that cannot be taken are reported
// one by one. Errors: ErrUnavailable; then some positions may have been stored,
// and repeating all of them is safe.
func (e *Engine) Track(ctx context.Context, positions []Position) (TrackResult, error) {
	var result TrackResult
	refused := make(map[int]*InputError)
	batches := make(map[string][]int) // region → indexes, in order
	var regions []string
	for i, p := range positions {
		if err := p.check(); err != nil {
			refused[i] = err
			continue
		}
		region := orDefault(p.Region)
		if _, seen := batches[region]; !seen {
			regions = append(regions, region)
		}
		batches[region] = append(batches[region], i)
	}
	for _, region := range regions {
		if err := e.useRegion(ctx, region); err != nil {
			if input, ok := err.(*InputError); ok { //nolint:errorlint // useRegion returns it bare
				for _, i := range batches[region] {
					refused[i] = input
				}
				continue
			}
			return result, fmt.Errorf("track drivers: %w", err)
		}
		if err := e.trackRegion(ctx, region, positions, batches[region], refused); err != nil {
			return result, fmt.Errorf("track drivers: %w", err)
		}
	}
	for i, p := range positions {
		if err := refused[i]; err != nil {
			result.Rejected = append(result.Rejected, Rejection{Index: i, ID: p.ID, Code: err.Code, Detail: err.Detail})
		}
	}
	result.Accepted = len(positions) - len(result.Rejected)
	return result, nil
}

func (e *Engine) trackRegion(ctx context.Context, region string, positions []Position, indexes []int, refused map[int]*InputError) error {
	for len(indexes) > 0 {
		round := indexes[:min(len(indexes), trackChunk*trackRound)]
		indexes = indexes[len(round):]
		var calls []call
		for at := 0; at < len(round); at += trackChunk {
			var args []any
			for _, i := range round[at:min(at+trackChunk, len(round))] {
				args = append(args, positions[i].args()...)
			}
			calls = append(calls, call{region, args})
		}
		replies, err := e.runAll(ctx, trackScript, calls)
		if err != nil {
			return err
		}
		var untried []any
		for n, r := range replies {
			list := r.strings(0)
			for j := 0; j+1 < len(list); j += 2 {
				offset, err := strconv.Atoi(list[j])
				if err != nil {
					return fmt.Errorf("%w: index of a refused position: %w", ErrUnavailable, err)
				}
				refused[round[n*trackChunk+offset]] = refusal(list[j+1])
			}
			for _, id := range r.strings(1) {
				untried = append(untried, id)
			}
		}
		if err := e.wakeRides(ctx, region, untried); err != nil {
			return err
		}
	}
	return nil
}

func refusal(code string) *InputError {
	if code == "future" {
		return &InputError{CodeInvalidTime, "ts is more than a day in the future"}
	}
	return &InputError{CodeOlder, "a newer position of this driver is known"}
}

// wakeRides tries waiting rides for drivers who became available, more of them than one
// script may try. Each call gets further; whoever is left is found by the rides' own
// attempts.
func (e *Engine) wakeRides(ctx context.Context, region string, drivers []any) error {
	for len(drivers) > 0 {
		batch := drivers[:min(len(drivers), trackChunk)]
		answer, err := e.run(ctx, wakeScript, region, batch...)
		if err != nil {
			return err
		}
		left := answer.strings(0)
		if len(left) == len(batch) {
			return nil
		}
		rest := make([]any, 0, len(left)+len(drivers)-len(batch))
		for _, id := range left {
			rest = append(rest, id)
		}
		drivers = append(rest, drivers[len(batch):]...)
	}
	return nil
}

package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"geogate/internal/geo"
)

// NearestQuery asks for the drivers around a point who could be given a ride now.
type NearestQuery struct {
	Point   geo.Point
	RadiusM float64  // metres, above 0 and at most MaxRadiusM
	Limit   int      // 1…MaxLimit
	Region  string   // empty: see Config.RegionAt
	Vehicle string   // optional filter
	Tags    []string // optional filter: the driver has all of them
}

// Candidate is an available driver.
type Candidate struct {
	ID        string
	Point     geo.Point
	DistanceM float64   // metres from the point asked about, great circle
	SeenAt    time.Time // when their last position arrived
}

func (q NearestQuery) check() *InputError {
	if err := checkPoint(q.Point); err != nil {
		return err
	}
	// The negation also refuses NaN.
	if !(q.RadiusM > 0 && q.RadiusM <= MaxRadiusM) {
		return &InputError{CodeInvalidRadius, fmt.Sprintf("radius is above 0 and at most %d m", MaxRadiusM)}
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		return &InputError{CodeInvalidLimit, fmt.Sprintf("limit is 1…%d", MaxLimit)}
	}
	if err := checkVehicle(q.Vehicle); err != nil {
		return err
	}
	return checkTags(q.Tags)
}

// nearestSteps is how many bounded scripts one Nearest may use. Only filters that few of
// many drivers meet take more than one.
const nearestSteps = 16

// Nearest returns the available drivers within the radius, nearest first, at most
// Limit: heard of within DriverTTL, with the vehicle and all tags asked for. It
// changes nothing. complete is false when there were too many to look at them all: then
// there may be others, and nearer ones. Errors: InputError, ErrUnavailable.
func (e *Engine) Nearest(ctx context.Context, q NearestQuery) (found []Candidate, complete bool, err error) {
	if err := q.check(); err != nil {
		return nil, false, fmt.Errorf("find nearest drivers: %w", err)
	}
	region, refused := e.regionOf(q.Region, q.Point)
	if refused != nil {
		return nil, false, fmt.Errorf("find nearest drivers: %w", refused)
	}
	from := ""
	for range nearestSteps {
		answer, err := e.look(ctx, nearestScript, region, formatFloat(q.Point.Lon), formatFloat(q.Point.Lat),
			formatFloat(q.RadiusM), q.Vehicle, encodeTags(q.Tags), q.Limit, from)
		if err != nil {
			return nil, false, fmt.Errorf("find nearest drivers: %w", err)
		}
		if found, err = addCandidates(found, answer.strings(0), q.Limit); err != nil {
			return nil, false, fmt.Errorf("find nearest drivers: %w: %w", ErrUnavailable, err)
		}
		if from = answer.string(1); from == "" {
			return found, true, nil
		}
	}
	return found, false, nil
}

// addCandidates adds what a step found, five values each, and keeps the nearest of all,
// each once.
func addCandidates(found []Candidate, flat []string, limit int) ([]Candidate, error) {
	for i := 0; i+4 < len(flat); i += 5 {
		c, err := newCandidate(flat[i : i+5])
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	slices.SortStableFunc(found, func(a, b Candidate) int { return cmp.Compare(a.DistanceM, b.DistanceM) })
	seen := make(map[string]bool, len(found))
	found = slices.DeleteFunc(found, func(c Candidate) bool {
		again := seen[c.ID]
		seen[c.ID] = true
		return again
	})
	return found[:min(len(found), limit)], nil
}

// newCandidate decodes id, lat, lng, metres and seen.
func newCandidate(f []string) (Candidate, error) {
	var numbers [3]float64
	for i := range numbers {
		n, err := strconv.ParseFloat(f[i+1], 64)
		if err != nil {
			return Candidate{}, fmt.Errorf("decode candidate: %w", err)
		}
		numbers[i] = n
	}
	seen, err := strconv.ParseInt(f[4], 10, 64)
	if err != nil {
		return Candidate{}, fmt.Errorf("decode candidate: %w", err)
	}
	return Candidate{
		ID:        f[0],
		Point:     geo.Point{Lat: numbers[0], Lon: numbers[1]},
		DistanceM: numbers[2],
		SeenAt:    time.UnixMilli(seen).UTC(),
	}, nil
}

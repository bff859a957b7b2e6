package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"geogate/internal/geo"
)

// NearestQuery asks for the drivers around a point who could be given a ride now.
type NearestQuery struct {
	Point   geo.Point
	RadiusM float64  // metres, above 0 and at most MaxRadiusM
	Limit   int      // 1…MaxLimit
	Region  string   // empty: DefaultRegion
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
	if err := checkRegion(orDefault(q.Region)); err != nil {
		return err
	}
	if err := checkVehicle(q.Vehicle); err != nil {
		return err
	}
	return checkTags(q.Tags)
}

// Nearest returns the available drivers within the radius, nearest first, at most
// Limit: heard of within DriverTTL, with the vehicle and all tags asked for. It
// changes nothing. Errors: InputError, ErrUnavailable.
func (e *Engine) Nearest(ctx context.Context, q NearestQuery) ([]Candidate, error) {
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("find nearest drivers: %w", err)
	}
	radii, err := json.Marshal(growingRadii([]float64{q.RadiusM}))
	if err != nil {
		return nil, fmt.Errorf("find nearest drivers: %w", err)
	}
	answer, err := e.run(ctx, nearestScript, orDefault(q.Region), formatFloat(q.Point.Lon), formatFloat(q.Point.Lat),
		string(radii), q.Vehicle, encodeTags(q.Tags), q.Limit)
	if err != nil {
		return nil, fmt.Errorf("find nearest drivers: %w", err)
	}
	flat := answer.strings(0)
	found := make([]Candidate, 0, len(flat)/5)
	for i := 0; i+4 < len(flat); i += 5 {
		c, err := newCandidate(flat[i : i+5])
		if err != nil {
			return nil, fmt.Errorf("find nearest drivers: %w: %w", ErrUnavailable, err)
		}
		found = append(found, c)
	}
	return found, nil
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

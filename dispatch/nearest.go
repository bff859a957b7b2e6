package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"geogate/internal/geo"
	"geogate/internal/reach"
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
	index := region + "\n" + q.Vehicle
	from, short := "", e.shortWay(index, q)
	for range nearestSteps {
		answer, err := e.look(ctx, nearestScript, region, append([]any{
			formatFloat(q.Point.Lon), formatFloat(q.Point.Lat), formatFloat(q.RadiusM),
			q.Vehicle, encodeTags(q.Tags), q.Limit, from,
		}, short...)...)
		if err != nil {
			return nil, false, fmt.Errorf("find nearest drivers: %w", err)
		}
		if found, err = addCandidates(found, answer.string(0), q.Limit); err != nil {
			return nil, false, fmt.Errorf("find nearest drivers: %w: %w", ErrUnavailable, err)
		}
		if from = answer.string(1); from == "" {
			e.noteReach(index, q, found)
			return found, true, nil
		}
		short = unknownReach
	}
	return found, false, nil
}

// unknownReach has a search go the long way.
var unknownReach = []any{""}

// shortWay is what nearest_short.lua needs to know: the circle in which those wanted are
// likely to be, and where members stand that are measured for it.
func (e *Engine) shortWay(index string, q NearestQuery) []any {
	radius := min(q.RadiusM, math.Ceil(e.reach.Radius(index, q.Point, q.Limit)))
	if radius == 0 || len(q.Tags) > 0 {
		return unknownReach
	}
	spans, area, ok := reach.Around(q.Point, radius)
	if !ok {
		return unknownReach
	}
	short := append(make([]any, 0, 10), formatFloat(radius), int(area))
	for _, s := range spans {
		short = append(short, s.First, s.Last)
	}
	return short
}

// noteReach remembers how far away those are whom a search has found; when they are fewer
// than wanted, there is nobody else as far as it looked.
func (e *Engine) noteReach(index string, q NearestQuery, found []Candidate) {
	switch n := len(found); {
	case len(q.Tags) > 0:
	case n < q.Limit:
		e.reach.Note(index, q.Point, n+1, q.RadiusM)
	default:
		e.reach.Note(index, q.Point, n, found[n-1].DistanceM)
	}
}

// addCandidates adds what a step found, five lines each, and keeps the nearest of all,
// each once.
func addCandidates(found []Candidate, lines string, limit int) ([]Candidate, error) {
	if lines != "" {
		for values := range slices.Chunk(strings.Split(lines, "\n"), 5) {
			c, err := newCandidate(values)
			if err != nil {
				return nil, err
			}
			found = append(found, c)
		}
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
	if len(f) != 5 {
		return Candidate{}, fmt.Errorf("decode candidate: %d values", len(f))
	}
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

package dispatch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"geogate/internal/geo"
)

const (
	// trackChunk is how many drivers one script stores. One whose tags are given counts as
	// retagged: sixteen new tags in place of sixteen others are some 40 commands.
	trackChunk = 48
	retagged   = 4
	// trackPositions is how many of their positions come with it.
	trackPositions = 512
	// trackRound is how many scripts go in one round trip, which must stay within a
	// client's read timeout also on a slow server.
	trackRound = 8
	// wakeCalls is how many scripts one Track may spend on rides that wait for drivers whom
	// it made available. Others are found by the rides' own attempts.
	wakeCalls = 256
)

// Position says where a driver is.
type Position struct {
	ID     string // the driver's; at most MaxIDLen bytes
	Point  geo.Point
	Region string // empty: see Config.RegionAt. A driver who reports from another one moves there
	// Time is when the position was taken, by the driver's clock; zero if unknown. It
	// orders a driver's positions. One older than DriverTTL makes nobody available.
	Time time.Time
	Motion
	Vehicle *string   // nil: as before
	Tags    *[]string // nil: as before
}

// Motion is how a driver moves, as far as they said; nil: they did not.
type Motion struct {
	Heading  *float64 // degrees clockwise from north, from 0 to below 360
	Speed    *float64 // metres a second, 0 or more
	Accuracy *float64 // radius of the position in metres, 0 or more
}

func (m Motion) check() *InputError {
	// The negations also refuse NaN.
	switch {
	case m.Heading != nil && !(*m.Heading >= 0 && *m.Heading < 360):
		return &InputError{CodeInvalidMotion, "heading is 0 to below 360 degrees"}
	case m.Speed != nil && !(*m.Speed >= 0 && *m.Speed <= math.MaxFloat32):
		return &InputError{CodeInvalidMotion, "speed is 0 or more metres a second"}
	case m.Accuracy != nil && !(*m.Accuracy >= 0 && *m.Accuracy <= math.MaxFloat32):
		return &InputError{CodeInvalidMotion, "accuracy is 0 or more metres"}
	}
	return nil
}

// text is a motion as scripts hold it, empty without one.
func (m Motion) text() string {
	if m == (Motion{}) {
		return ""
	}
	part := make([]string, 3)
	for i, f := range []*float64{m.Heading, m.Speed, m.Accuracy} {
		if f != nil {
			part[i] = formatFloat(*f)
		}
	}
	return strings.Join(part, ",")
}

// motion reads what text has written.
func (r *record) motion(text string) (m Motion) {
	for i, part := range strings.SplitN(text, ",", 3) {
		if part != "" {
			f := r.float("motion", part)
			*[]**float64{&m.Heading, &m.Speed, &m.Accuracy}[i] = &f
		}
	}
	return m
}

func (p Position) check() *InputError {
	if err := checkID(p.ID); err != nil {
		return err
	}
	if err := checkPoint(p.Point); err != nil {
		return err
	}
	if err := p.Motion.check(); err != nil {
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

func (p Position) ts() string {
	if p.Time.IsZero() {
		return ""
	}
	return strconv.FormatInt(p.Time.UnixMilli(), 10)
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

// Track stores positions, those of one driver in order. The newest position of a driver
// who was not available makes them available and, in the same step, tries waiting rides
// nearby; a reserved or busy driver only moves. Positions that cannot be taken are
// reported one by one. Errors: ErrUnavailable; then some positions may have been
// stored, and repeating all of them is safe.
func (e *Engine) Track(ctx context.Context, positions []Position) (TrackResult, error) {
	t := tracking{Engine: e, reports: make([]report, len(positions)), wakes: wakeCalls}
	var accepted []int
	for i, p := range positions {
		t.reports[i] = report{Position: p}
		err := p.check()
		if err == nil {
			t.reports[i].from, err = e.regionOf(p.Region, p.Point)
		}
		if t.reports[i].refused = err; err == nil {
			accepted = append(accepted, i)
		}
	}
	for _, part := range t.parts(accepted) {
		if err := t.track(ctx, part); err != nil {
			return TrackResult{}, fmt.Errorf("track drivers: %w", err)
		}
	}
	var result TrackResult
	for i := range t.reports {
		if err := t.reports[i].refused; err != nil {
			result.Rejected = append(result.Rejected, Rejection{Index: i, ID: positions[i].ID, Code: err.Code, Detail: err.Detail})
		}
	}
	result.Accepted = len(positions) - len(result.Rejected)
	return result, nil
}

// tracking is one call of Track.
type tracking struct {
	*Engine
	reports []report
	wakes   int // scripts that may still be spent on waiting rides
}

// report is a position on its way into a region.
type report struct {
	Position
	from    string // the region that they report from
	region  string // the one that the position goes to
	home    *home  // nil where there is one region, or the report is from elsewhere
	refused *InputError
}

// args are the ten values of a position in track.lua.
func (r *report) args() []any {
	vehicle, tags, turn, off, first := "", "", "", "", ""
	if r.region != r.from {
		turn = "away"
	}
	if r.home != nil {
		turn = strconv.FormatInt(r.home.Turn, 10)
		vehicle, tags = "?"+r.home.Vehicle, "?"+r.home.Tags
		off, first = r.home.Off, r.home.First
	}
	if r.Vehicle != nil {
		vehicle = "=" + *r.Vehicle
	}
	if r.Tags != nil {
		tags = "=" + encodeTags(*r.Tags)
	}
	return []any{r.ID, formatFloat(r.Point.Lat), formatFloat(r.Point.Lon), r.ts(), vehicle, tags, turn, r.text(), off, first}
}

// parts cuts a list where a driver reports from another region than before in it, so
// that a part has each driver in one region only.
func (t *tracking) parts(indexes []int) [][]int {
	if !t.manyRegions() {
		return [][]int{indexes}
	}
	var parts [][]int
	regions, first := make(map[string]string), 0
	for n, i := range indexes {
		r := &t.reports[i]
		if seen, ok := regions[r.ID]; ok && seen != r.from {
			parts, first = append(parts, indexes[first:n]), n
			clear(regions)
		}
		regions[r.ID] = r.from
	}
	return append(parts, indexes[first:])
}

// track stores a part. Reports of drivers whom another process moved meanwhile begin
// anew.
func (t *tracking) track(ctx context.Context, part []int) error {
	for range homeTries {
		if err := t.settleHomes(ctx, part); err != nil {
			return err
		}
		byRegion := make(map[string][]int)
		for _, i := range part {
			if t.reports[i].refused == nil {
				byRegion[t.reports[i].region] = append(byRegion[t.reports[i].region], i)
			}
		}
		moved := make(map[string]*report) // a refused one of each driver
		for region, indexes := range byRegion {
			again, err := t.trackRegion(ctx, region, indexes)
			if err != nil {
				return err
			}
			for _, i := range again {
				moved[t.reports[i].ID] = &t.reports[i]
			}
		}
		// All of a driver's reports, so that those that come after a refused one go on doing so.
		part = slices.DeleteFunc(part, func(i int) bool { return moved[t.reports[i].ID] == nil || t.reports[i].refused != nil })
		if len(part) == 0 {
			return nil
		}
		for id, r := range moved {
			if r.home == nil {
				continue // their ride, which kept them there, has ended
			}
			if err := t.raiseTurn(ctx, id, r.region, r.home.Turn); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, errMoving)
}

// trackRegion returns the reports of drivers who have moved elsewhere.
func (t *tracking) trackRegion(ctx context.Context, region string, indexes []int) (moved []int, err error) {
	chunks := t.chunks(indexes)
	for len(chunks) > 0 {
		round := chunks[:min(len(chunks), trackRound)]
		calls := make([]call, len(round))
		for n, chunk := range round {
			more := ""
			if last := n + 1; last < len(chunks) && t.reports[chunks[last][0]].ID == t.reports[chunk[len(chunk)-1]].ID {
				more = "1"
			}
			args := []any{more}
			for _, i := range chunk {
				args = append(args, t.reports[i].args()...)
			}
			calls[n] = call{region, args}
		}
		replies, err := t.runAll(ctx, trackScript, calls)
		if err != nil {
			return nil, err
		}
		var untried []any
		for n, r := range replies {
			again, err := t.refuse(r.strings(0), round[n])
			if err != nil {
				return nil, err
			}
			moved = append(moved, again...)
			for _, id := range r.strings(1) {
				untried = append(untried, id)
			}
		}
		if err := t.wakeRides(ctx, region, untried); err != nil {
			return nil, err
		}
		chunks = chunks[len(round):]
	}
	return moved, nil
}

// chunks brings the positions of each driver together, in order, and cuts the list for
// scripts.
func (t *tracking) chunks(indexes []int) [][]int {
	rank := make(map[string]int)
	for n, i := range indexes {
		if _, seen := rank[t.reports[i].ID]; !seen {
			rank[t.reports[i].ID] = n
		}
	}
	slices.SortStableFunc(indexes, func(a, b int) int { return rank[t.reports[a].ID] - rank[t.reports[b].ID] })
	var chunks [][]int
	first, drivers := 0, 0
	for n, i := range indexes {
		weight := 0
		if r := &t.reports[i]; n == first || r.ID != t.reports[indexes[n-1]].ID {
			weight = 1
			if r.Tags != nil || r.Vehicle != nil || r.home != nil && r.home.Tags != "" {
				weight = retagged
			}
		}
		if drivers += weight; drivers > trackChunk || n-first == trackPositions {
			chunks = append(chunks, indexes[first:n])
			first, drivers = n, max(1, weight)
		}
	}
	if first < len(indexes) {
		chunks = append(chunks, indexes[first:])
	}
	return chunks
}

// refuse notes what a script refused, as index in the chunk and code, and returns
// the reports of drivers who have moved elsewhere.
func (t *tracking) refuse(list []string, chunk []int) (moved []int, err error) {
	for j := 0; j+1 < len(list); j += 2 {
		n, err := strconv.Atoi(list[j])
		if err != nil || n >= len(chunk) {
			return nil, fmt.Errorf("%w: index of a refused position: %w", ErrUnavailable, err)
		}
		if list[j+1] == "moved" {
			moved = append(moved, chunk[n])
		} else {
			t.reports[chunk[n]].refused = refusal(list[j+1])
		}
	}
	return moved, nil
}

func refusal(code string) *InputError {
	switch code {
	case CodeFuture:
		return &InputError{CodeFuture, fmt.Sprintf("ts is more than %s in the future", tsAhead)}
	case CodeDriverCap:
		return &InputError{CodeDriverCap, "there are as many drivers as this geogate allows"}
	case CodeBacklog:
		return &InputError{CodeBacklog, "too many events wait to be handed on; nobody can come on duty"}
	}
	return &InputError{CodeOlder, "a newer position of this driver is known"}
}

// wakeRides tries waiting rides for drivers who became available, more of them than one
// script may try. Each call gets further; whoever is left is found by the rides' own
// attempts.
func (t *tracking) wakeRides(ctx context.Context, region string, drivers []any) error {
	for ; len(drivers) > 0 && t.wakes > 0; t.wakes-- {
		batch := drivers[:min(len(drivers), trackChunk)]
		answer, err := t.run(ctx, wakeScript, region, batch...)
		if err != nil {
			return err
		}
		left := answer.strings(0)
		rest := make([]any, 0, len(left)+len(drivers)-len(batch))
		for _, id := range left {
			rest = append(rest, id)
		}
		drivers = append(rest, drivers[len(batch):]...)
	}
	return nil
}

package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"geogate/internal/turns"
)

const (
	// trackChunk is how many drivers one script stores. The short way takes some 4 µs for one
	// of them; one who is known to go the long way counts as longWay, some 30 µs.
	trackChunk = 128
	longWay    = 5
	// trackPositions is how many of their positions come with it.
	trackPositions = 512
	// trackRound is how many chunks of one Track are on their way at a time. As many go in one
	// round trip, which must stay within a client's read timeout also on a slow server.
	trackRound = 4
	// trackWaiting is how many drivers of a region may wait for the scripts ahead of them, in
	// all, so that memory is bounded; what Redis does not get to in the time of a call is
	// refused before that. trackWaitingEach is how many for one client.
	trackWaiting     = 262_144
	trackWaitingEach = 65_536
	// wakeCalls is how many scripts one Track may spend on rides that wait for drivers whom
	// it made available, and wakeChunk how many of these drivers go to one script. Others are
	// found by the rides' own attempts.
	wakeCalls = 256
	wakeChunk = 48
)

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
	long    bool   // a script has put off its driver, who may go the long way
	refused *InputError
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
	portions := t.portions(indexes)
	for len(portions) > 0 {
		round := firstRound(portions)
		if err := t.store(ctx, region, round); err != nil {
			return nil, err
		}
		var untried []any
		var later []int
		for _, p := range round {
			for _, no := range p.refused {
				if i := p.indexes[no.row]; no.code == "moved" {
					moved = append(moved, i)
				} else {
					t.reports[i].refused = refusal(no.code)
				}
			}
			for _, i := range p.putOff() {
				t.reports[i].long = true
				later = append(later, i)
			}
			for _, id := range p.untried {
				untried = append(untried, id)
			}
		}
		if err := t.wakeRides(ctx, region, untried); err != nil {
			return nil, err
		}
		portions = append(t.portions(later), portions[len(round):]...)
	}
	return moved, nil
}

// portions brings the positions of each driver together, in order, and cuts the list for
// scripts.
func (t *tracking) portions(indexes []int) []*portion {
	t.group(indexes)
	var all []*portion
	var p *portion
	for n := 0; n < len(indexes); {
		end := n + 1
		for end < len(indexes) && end-n < trackPositions && t.reports[indexes[end]].ID == t.reports[indexes[n]].ID {
			end++
		}
		weight := 1
		if end-n > 1 || t.reports[indexes[n]].long {
			weight = longWay
		}
		if p == nil || p.drivers+weight > trackChunk || len(p.indexes)+end-n > trackPositions {
			p = &portion{}
			all = append(all, p)
		}
		p.drivers += weight
		for _, i := range indexes[n:end] {
			p.indexes, p.reports = append(p.indexes, i), append(p.reports, &t.reports[i])
		}
		n = end
	}
	return all
}

// group brings the positions of each driver together, in order.
func (t *tracking) group(indexes []int) {
	if len(indexes) < 2 {
		return
	}
	first := make(map[string]int, len(indexes))
	for n, i := range indexes {
		if _, seen := first[t.reports[i].ID]; !seen {
			first[t.reports[i].ID] = n
		}
	}
	if len(first) < len(indexes) {
		slices.SortStableFunc(indexes, func(a, b int) int { return first[t.reports[a].ID] - first[t.reports[b].ID] })
	}
}

// firstRound is the first portions, up to one whose last driver has more to come: what
// comes must not overtake what a script puts off.
func firstRound(portions []*portion) []*portion {
	round := portions[:min(len(portions), trackRound)]
	for n, p := range round {
		p.more = n+1 < len(portions) && portions[n+1].reports[0].ID == p.reports[len(p.reports)-1].ID
		if p.more {
			return round[:n+1]
		}
	}
	return round
}

// portion is what one caller gives to one script: reports of some drivers, those of each in
// a row.
type portion struct {
	indexes []int // of the reports in their Track
	reports []*report
	drivers int  // as trackChunk counts them
	more    bool // the last driver has more to come

	// What the script has answered; rows count within the portion.
	refused []refusedRow
	later   []int    // the first row of each driver whom it did not get to
	untried []string // drivers not yet tried for waiting rides
	err     error
}

type refusedRow struct {
	row  int
	code string
}

// putOff returns the indexes of the reports that the script did not get to.
func (p *portion) putOff() (indexes []int) {
	for _, row := range p.later {
		for id := p.reports[row].ID; row < len(p.reports) && p.reports[row].ID == id; row++ {
			indexes = append(indexes, p.indexes[row])
		}
	}
	return indexes
}

// store stores portions, in order. While a script of the region runs, what is reported
// meanwhile waits, and then goes together.
func (e *Engine) store(ctx context.Context, region string, portions []*portion) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	client, _ := ctx.Value(turns.CallerKey{}).(string)
	if err := e.line(region).Do(ctx, client, portions); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, p := range portions {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// storeBatch stores portions of any callers in one round trip. It is nobody's call in
// particular: no caller's end ends it, and it takes no caller's turn at Redis.
func (e *Engine) storeBatch(region string, portions []*portion) {
	scripts := together(portions)
	calls := make([]call, len(scripts))
	for i, script := range scripts {
		calls[i] = call{region, e.trackArgs(script)}
	}
	replies, errs := e.runEach(context.Background(), trackScript, calls)
	for i, script := range scripts {
		script.take(replies[i], errs[i])
	}
}

// script is what one script stores. No two of its portions have a driver in common.
type script []*portion

// together makes scripts of portions. They run in this order.
func together(portions []*portion) []script {
	var scripts []script
	drivers, positions := 0, 0
	seen := make(map[string]struct{})
	for n, p := range portions {
		drivers += p.drivers
		positions += len(p.reports)
		if n == 0 || portions[n-1].more || drivers > trackChunk || positions > trackPositions || p.has(seen) {
			scripts = append(scripts, nil)
			drivers, positions = p.drivers, len(p.reports)
			clear(seen)
		}
		scripts[len(scripts)-1] = append(scripts[len(scripts)-1], p)
		if drivers < trackChunk { // else nothing more goes with it
			for _, r := range p.reports {
				seen[r.ID] = struct{}{}
			}
		}
	}
	return scripts
}

func (p *portion) has(drivers map[string]struct{}) bool {
	return len(drivers) > 0 && slices.ContainsFunc(p.reports, func(r *report) bool { _, has := drivers[r.ID]; return has })
}

// trackArgs are those of track_short.lua, without the configuration.
func (e *Engine) trackArgs(s script) []any {
	var rows [][10]string
	width := 3
	for _, p := range s {
		for _, r := range p.reports {
			row := r.values()
			for width < len(row) && slices.ContainsFunc(row[width:], func(v string) bool { return v != "" }) {
				width++
			}
			rows = append(rows, row)
		}
	}
	more := ""
	if s[len(s)-1].more {
		more = "1"
	}
	args := make([]any, 0, 4+width*len(rows))
	args = append(args, more, width, e.cfg.DriverTTL.Milliseconds(), tsAhead.Milliseconds())
	for _, row := range rows {
		for _, v := range row[:width] {
			args = append(args, v)
		}
	}
	return args
}

// take gives each portion its part of what a script answered.
func (s script) take(r reply, err error) {
	refused, untried, later := r.strings(0), r.strings(1), r.strings(2)
	for _, p := range s {
		p.err = err
	}
	at := func(text string) (p *portion, row int) {
		row, err := strconv.Atoi(text)
		for _, p := range s {
			if err == nil && row < len(p.reports) {
				return p, row
			}
			row -= len(p.reports)
		}
		s[0].err = fmt.Errorf("%w: index of a position: %w", ErrUnavailable, err)
		return s[0], 0
	}
	for j := 0; j+1 < len(refused); j += 2 {
		p, row := at(refused[j])
		p.refused = append(p.refused, refusedRow{row, refused[j+1]})
	}
	for _, text := range later {
		p, row := at(text)
		p.later = append(p.later, row)
	}
	for _, id := range untried {
		for _, p := range s {
			if slices.ContainsFunc(p.reports, func(r *report) bool { return r.ID == id }) {
				p.untried = append(p.untried, id)
			}
		}
	}
}

// wakeRides tries waiting rides for drivers who became available, more of them than one
// script may try. Each call gets further; whoever is left is found by the rides' own
// attempts.
func (t *tracking) wakeRides(ctx context.Context, region string, drivers []any) error {
	for ; len(drivers) > 0 && t.wakes > 0; t.wakes-- {
		batch := drivers[:min(len(drivers), wakeChunk)]
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

package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Where there are several regions, each driver has one home: the region that knows
// them. The keys of two regions may be on two servers, so no script can move a driver
// from one to the other. The home is a record of its own, with a turn that rises with
// each move, and a move takes three steps: out of the old region, the record, into the
// new one. DESIGN.md says why a crash between any two of them, or a report that
// was under way, never makes them available in both.
type home struct {
	Region string `json:"region"`
	Turn   int64  `json:"turn"`
	// What came along with the last move, as scripts hold it.
	Vehicle string `json:"vehicle,omitempty"`
	Tags    string `json:"tags,omitempty"`
	Off     string `json:"off,omitempty"`   // "1": off shift
	First   string `json:"first,omitempty"` // when they first reported, in ms
}

const (
	// inFlight is for how long after a move or an erasure late reports for the old region are
	// refused.
	inFlight = 10 * time.Minute
	// homeTries is how often a move begins anew because somebody else moved the driver.
	homeTries = 4
	// homeRound is how many homes are read in one round trip.
	homeRound = 500
)

var errMoving = errors.New("driver is moved by another process again and again")

func homeKey(driver string) string { return "geogate:home:" + driver }

// homeLife is longer than anything that a region remembers of a silent driver.
func (e *Engine) homeLife() time.Duration { return e.cfg.Retention + e.cfg.RideTTL + inFlight }

// homes reads the homes of drivers, nil for those without one, and keeps them alive.
func (e *Engine) homes(ctx context.Context, drivers []string) (map[string]*home, error) {
	found := make(map[string]*home, len(drivers))
	for at := 0; at < len(drivers); at += homeRound {
		round := drivers[at:min(at+homeRound, len(drivers))]
		texts, err := e.readHomes(ctx, round)
		if err != nil {
			return nil, err
		}
		for i, text := range texts {
			if text == "" {
				continue
			}
			h := new(home)
			if err := json.Unmarshal([]byte(text), h); err != nil {
				return nil, fmt.Errorf("%w: decode home: %w", ErrUnavailable, err)
			}
			found[round[i]] = h
		}
	}
	return found, nil
}

func (e *Engine) readHomes(ctx context.Context, drivers []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	cmds := make([]*redis.StringCmd, len(drivers))
	_, _ = e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, id := range drivers {
			cmds[i] = pipe.GetEx(ctx, homeKey(id), e.homeLife())
		}
		return nil
	})
	texts := make([]string, len(drivers))
	for i, cmd := range cmds {
		text, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("%w: read home: %w", ErrUnavailable, err)
		}
		texts[i] = text
	}
	return texts, nil
}

// swapHome changes a home unless somebody else has changed it. nil means none.
func (e *Engine) swapHome(ctx context.Context, driver string, old, next *home) (bool, error) {
	return e.swap(ctx, homeKey(driver), old.text(), next.text(), e.homeLife())
}

// swap changes a record that belongs to no region unless somebody else has changed it. An
// empty one is none.
func (e *Engine) swap(ctx context.Context, key, old, next string, life time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	done, err := swapScript.Run(ctx, e.rdb, []string{key}, old, next, life.Milliseconds()).Bool()
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("%w: swap record: %w", ErrUnavailable, err)
	}
	return done, nil
}

func (h *home) text() string {
	if h == nil {
		return ""
	}
	text, err := json.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("dispatch: encode home: %v", err)) // strings and a number
	}
	return string(text)
}

// nextTurn is above the turn of the record. Another process, whose clock is ahead, may have
// given a higher one before this record began: then a region refuses this one, and
// raiseTurn goes above it.
func (h *home) nextTurn() int64 {
	turn := time.Now().UnixMilli()
	if h != nil {
		turn = max(turn, h.Turn+1)
	}
	return turn
}

// settleHome makes region the home of a driver who reports from there, at ts in ms or ”.
// known is what the caller has read. A driver with a ride keeps their home until it
// ends: then the answer is that home and here is false. refused is the code of a report
// that must have no effect.
func (e *Engine) settleHome(ctx context.Context, driver, region, ts string, known *home) (at *home, here bool, refused string, err error) {
	for range homeTries {
		if known != nil && known.Region == region {
			return known, true, "", nil
		}
		next := &home{Region: region, Turn: known.nextTurn()}
		if known != nil {
			code, err := e.leave(ctx, driver, known, next, ts)
			if err != nil {
				return nil, false, "", err
			}
			switch code {
			case "engaged":
				return known, false, "", nil
			case "older":
				return nil, false, CodeOlder, nil
			case "ok":
			default:
				next = nil // somebody else has moved them on
			}
		}
		if next != nil {
			done, err := e.swapHome(ctx, driver, known, next)
			if err != nil {
				return nil, false, "", err
			}
			if done {
				return next, true, "", nil
			}
		}
		found, err := e.homes(ctx, []string{driver})
		if err != nil {
			return nil, false, "", err
		}
		known = found[driver]
	}
	return nil, false, "", fmt.Errorf("%w: %w", ErrUnavailable, errMoving)
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

// settleHomes finds out which region each report belongs to.
func (t *tracking) settleHomes(ctx context.Context, part []int) error {
	if !t.manyRegions() {
		for _, i := range part {
			t.reports[i].region = t.reports[i].from
		}
		return nil
	}
	var drivers []string
	seen := make(map[string]bool, len(part))
	for _, i := range part {
		if id := t.reports[i].ID; !seen[id] {
			seen[id] = true
			drivers = append(drivers, id)
		}
	}
	known, err := t.homes(ctx, drivers)
	if err != nil {
		return err
	}
	for _, i := range part {
		r := &t.reports[i]
		at, here, refused, err := t.settleHome(ctx, r.ID, r.from, r.ts(), known[r.ID])
		r.region, r.home = r.from, nil
		switch {
		case err != nil:
			return err
		case refused != "":
			r.refused = refusal(refused)
		case here:
			r.home, known[r.ID] = at, at
		default:
			r.region = at.Region
		}
	}
	return nil
}

// raiseTurn lets a driver report again from their home, which has refused the turn of
// a report. If the record has that turn still, a move from there was begun and got no further;
// the driver moves to where they are, with the vehicle and tags that they left there.
func (e *Engine) raiseTurn(ctx context.Context, driver, region string, refused int64) error {
	found, err := e.homes(ctx, []string{driver})
	if err != nil || found[driver] == nil || found[driver].Region != region || found[driver].Turn != refused {
		return err
	}
	next := *found[driver]
	for range homeTries {
		next.Turn = next.nextTurn()
		code, err := e.leave(ctx, driver, found[driver], &next, "")
		if err != nil {
			return err
		}
		if code != "moved" {
			break
		}
	}
	_, err = e.swapHome(ctx, driver, found[driver], &next)
	return err
}

// leave is the first step of a move: it takes a driver out of their home. When it answers
// "ok", next has the vehicle and tags that they take along; when it answers "moved", the turn
// that stands there. ts is that of the report.
func (e *Engine) leave(ctx context.Context, driver string, known, next *home, ts string) (code string, err error) {
	answer, err := e.run(ctx, leaveScript, known.Region, driver, next.Turn, ts,
		known.Turn, known.Vehicle, known.Tags, known.Off, known.First)
	if err != nil {
		return "", err
	}
	switch answer.code {
	case "ok":
		if kept := answer.strings(0); len(kept) == 4 {
			next.Vehicle, next.Tags, next.Off, next.First = kept[0], kept[1], kept[2], kept[3]
		}
	case "moved":
		if next.Turn, err = strconv.ParseInt(answer.string(0), 10, 64); err != nil {
			return "", fmt.Errorf("%w: decode turn: %w", ErrUnavailable, err)
		}
	}
	return answer.code, nil
}

// dropHome forgets the home of a driver whom a region has forgotten, if they have had no later
// turn since.
func (e *Engine) dropHome(ctx context.Context, driver, region string, turn int64) error {
	found, err := e.homes(ctx, []string{driver})
	if err != nil || found[driver] == nil || found[driver].Region != region || found[driver].Turn >= turn {
		return err
	}
	_, err = e.swapHome(ctx, driver, found[driver], nil)
	return err
}

// dropHomes forgets the homes of drivers whom sweep has forgotten, each with the turn of that,
// or none for one who came before there were several regions.
func (e *Engine) dropHomes(ctx context.Context, region string, forgotten []string) error {
	for i := 0; i+1 < len(forgotten); i += 2 {
		turn, err := strconv.ParseInt(forgotten[i+1], 10, 64)
		if err != nil {
			continue
		}
		if err := e.dropHome(ctx, forgotten[i], region, turn); err != nil {
			return err
		}
	}
	return nil
}

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// movesPage is how many drivers, rides or events one command reads: some 0.3 ms.
	movesPage = 500
	// allEvery is how often everything is read again: whatever got lost on the way, in a
	// failover or in a stream cut short, is made good by then.
	allEvery = time.Minute
	// changesRead is how long after a call the next one still finds what has changed in
	// between: store.lua keeps it a little longer, up to 10,000 changes.
	changesRead = 8 * time.Second
	// movesSettle is how long after the time of a move somebody may have moved again at that
	// same millisecond.
	movesSettle = 100 * time.Millisecond
)

// Moves are the drivers and rides that changed, as they are now. A driver who is Offline
// and a ride that has ended are in it once more, so that whoever shows them takes them
// away; of those who were erased nothing but the id, the region and that state is known.
type Moves struct {
	Drivers []Driver
	Rides   []Ride
	All     bool // these are all who are not offline and all live rides
}

// Follower reads what moves in all regions, for maps. What it costs Redis depends on how
// much changes and on nothing else. It is not safe for concurrent use.
type Follower struct {
	engine  *Engine
	regions []followed
	all     time.Time // when everything was read; zero: must be
	last    time.Time // when the last call began
}

// followed is how far a Follower has come in a region.
type followed struct {
	name    string
	change  string          // the last one read
	moved   float64         // the time of the last move read, in ms
	reached time.Time       // when it was read first
	seen    map[string]bool // drivers who moved at that time and were read since it was over
}

// Follow returns a Follower, which begins with everything. It does not call Redis.
func (e *Engine) Follow() *Follower {
	f := &Follower{engine: e, regions: make([]followed, len(e.regions))}
	for i, name := range e.regions {
		f.regions[i].name = name
	}
	return f
}

// Next reads what has changed since the last call; at first, once a minute and after an
// error, everything; also when it was not called for some seconds. Errors: ErrUnavailable.
func (f *Follower) Next(ctx context.Context) (Moves, error) {
	began := time.Now()
	moves := Moves{All: began.Sub(f.all) >= allEvery || began.Sub(f.last) > changesRead}
	for i := range f.regions {
		if err := f.engine.follow(ctx, &f.regions[i], &moves); err != nil {
			f.all = time.Time{}
			return Moves{}, fmt.Errorf("follow what moves: %w", err)
		}
	}
	f.last = began
	if moves.All {
		f.all = began
	}
	return moves, nil
}

// follow adds to moves what has changed in a region.
func (e *Engine) follow(ctx context.Context, in *followed, moves *Moves) error {
	drivers, rides := map[string]bool{}, map[string]bool{}
	read := []func(context.Context, *followed, map[string]bool, map[string]bool) error{e.readChanges, e.readMoved}
	if moves.All {
		// What happens while everything is read comes with the next call.
		read = []func(context.Context, *followed, map[string]bool, map[string]bool) error{e.skipToNow, e.readAll}
	}
	for _, step := range read {
		if err := step(ctx, in, drivers, rides); err != nil {
			return err
		}
	}
	if err := e.addDrivers(ctx, in.name, drivers, moves); err != nil {
		return err
	}
	return e.addRides(ctx, in.name, rides, moves)
}

// skipToNow notes where the next call goes on.
func (e *Engine) skipToNow(ctx context.Context, in *followed, _, _ map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	last, err := e.rdb.XRevRangeN(ctx, prefix(in.name)+":changes", "+", "-", 1).Result()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	newest, err := e.rdb.ZRevRangeWithScores(ctx, prefix(in.name)+":moved", 0, 0).Result()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	in.change, in.moved, in.reached, in.seen = "0-0", 0, time.Now(), map[string]bool{}
	if len(last) > 0 {
		in.change = last[0].ID
	}
	if len(newest) > 0 {
		in.moved = newest[0].Score
	}
	return nil
}

// readAll collects who and what there is.
func (e *Engine) readAll(ctx context.Context, in *followed, drivers, rides map[string]bool) error {
	for key, ids := range map[string]map[string]bool{":moved": drivers, ":due": rides} {
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			page, next, err := e.scan(ctx, prefix(in.name)+key, cursor)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			for i := 0; i < len(page); i += 2 { // member, score
				ids[page[i]] = true
			}
			cursor = next
		}
	}
	return nil
}

// scan reads a page of a sorted set. Who is a member all the while is in some page.
func (e *Engine) scan(ctx context.Context, key string, cursor uint64) (page []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	return e.rdb.ZScan(ctx, key, cursor, "", movesPage).Result()
}

// readChanges collects whose state has changed.
func (e *Engine) readChanges(ctx context.Context, in *followed, drivers, rides map[string]bool) error {
	for {
		page, err := e.changesAfter(ctx, in.name, in.change)
		if err != nil {
			return err
		}
		for _, entry := range page {
			in.change = entry.ID
			for field, ids := range map[string]map[string]bool{"driver": drivers, "was": drivers, "ride": rides} {
				if id, _ := entry.Values[field].(string); id != "" {
					ids[id] = true
				}
			}
		}
		if len(page) < movesPage {
			return nil
		}
	}
}

func (e *Engine) changesAfter(ctx context.Context, region, after string) ([]redis.XMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	page, err := e.rdb.XRangeN(ctx, prefix(region)+":changes", "("+after, "+", movesPage).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return page, nil
}

// readMoved collects who has reported a position. Any number of drivers may have moved
// at one time, and the rest of them may move on between two pages: those are found at
// their later time. Those of the last time are read again until that is over for sure.
func (e *Engine) readMoved(ctx context.Context, in *followed, drivers, _ map[string]bool) error {
	for offset := int64(0); ; {
		page, err := e.movedSince(ctx, in.name, in.moved, offset)
		if err != nil {
			return err
		}
		for _, z := range page {
			id, _ := z.Member.(string)
			if z.Score > in.moved {
				in.moved, in.reached, in.seen, offset = z.Score, time.Now(), map[string]bool{}, 0
			}
			offset++
			if in.seen[id] {
				continue
			}
			drivers[id] = true
			if time.Since(in.reached) > movesSettle {
				in.seen[id] = true
			}
		}
		if len(page) < movesPage {
			return nil
		}
	}
}

func (e *Engine) movedSince(ctx context.Context, region string, ms float64, offset int64) ([]redis.Z, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	page, err := e.rdb.ZRangeByScoreWithScores(ctx, prefix(region)+":moved",
		&redis.ZRangeBy{Min: formatFloat(ms), Max: "+inf", Offset: offset, Count: movesPage}).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return page, nil
}

// addDrivers adds drivers as they are now.
func (e *Engine) addDrivers(ctx context.Context, region string, ids map[string]bool, moves *Moves) error {
	return e.readHashes(ctx, region, "driver", ids, func(r *record) error {
		if r.gone() { // erased, or at home elsewhere
			if !moves.All {
				moves.Drivers = append(moves.Drivers, Driver{ID: r.id, Region: region, State: Offline})
			}
			return nil
		}
		d, err := r.driver(region)
		if err != nil {
			return err
		}
		if d.State != Offline || !moves.All {
			moves.Drivers = append(moves.Drivers, d)
		}
		return nil
	})
}

// addRides adds rides as they are now.
func (e *Engine) addRides(ctx context.Context, region string, ids map[string]bool, moves *Moves) error {
	return e.readHashes(ctx, region, "ride", ids, func(r *record) error {
		if len(r.fields) == 0 { // no longer kept
			if !moves.All {
				moves.Rides = append(moves.Rides, Ride{ID: r.id, Region: region, State: Expired})
			}
			return nil
		}
		ride, err := r.ride()
		if err != nil {
			return err
		}
		if !ride.State.Ended() || !moves.All {
			moves.Rides = append(moves.Rides, ride)
		}
		return nil
	})
}

// readHashes calls each with the fields of every driver or ride, none for one that is not
// there, some of them in one round trip.
func (e *Engine) readHashes(ctx context.Context, region, kind string, ids map[string]bool, each func(*record) error) error {
	page := make([]string, 0, min(len(ids), movesPage))
	flush := func() error {
		ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
		defer cancel()
		found := make([]*redis.MapStringStringCmd, len(page))
		_, err := e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, id := range page {
				found[i] = pipe.HGetAll(ctx, prefix(region)+":"+kind+":"+id)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		var errs []error
		for i, id := range page {
			errs = append(errs, each(&record{id: id, fields: found[i].Val()}))
		}
		page = page[:0]
		return errors.Join(errs...)
	}
	for id := range ids {
		if page = append(page, id); len(page) == movesPage {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(page) == 0 {
		return nil
	}
	return flush()
}

package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"geogate/internal/geo"
)

// Where the driver of a ride is goes from the script that takes the position to the
// processes that have somebody who follows the ride, and to nobody when nobody does: they
// ask for it in the driver's record, for a while, and each has a channel of its own.
const (
	// liveEvery is the least time between two positions of a ride, and liveRest how long
	// after one a follower looks whether it was the last.
	liveEvery = time.Second
	liveRest  = 1500 * time.Millisecond
	// liveLife is for how long a process asks, and liveRenew how soon it asks again.
	liveLife  = 30 * time.Second
	liveRenew = 10 * time.Second
)

func (e *Engine) liveChannel() string { return "geogate:live:" + e.worker }

// LivePosition is where the driver of a ride under way is.
type LivePosition struct {
	DriverID string // empty in those of RideFollower
	Point    geo.Point
	Motion
	SeenAt time.Time
}

// follows reports whether a position is newer than another. Two reports may share a
// millisecond.
func (p LivePosition) follows(other LivePosition) bool {
	return p.SeenAt.After(other.SeenAt) || p.SeenAt.Equal(other.SeenAt) && p.Point != other.Point
}

// RideDriver returns the present version of a ride under way and where its driver is.
// Errors: ErrNotFound, *StateError when no driver is under way, ErrUnavailable.
func (e *Engine) RideDriver(ctx context.Context, id string) (Ride, LivePosition, error) {
	ride, err := e.onRide(ctx, id, rideScript)
	if err != nil {
		return Ride{}, LivePosition{}, fmt.Errorf("find driver of ride: %w", err)
	}
	if !ride.State.UnderWay() {
		return Ride{}, LivePosition{}, fmt.Errorf("find driver of ride: %w", &StateError{Ride: ride})
	}
	p, err := e.listenTo(ctx, id, 0)
	if err != nil {
		return Ride{}, LivePosition{}, fmt.Errorf("find driver of ride: %w", err)
	}
	return ride, p, nil
}

// listenTo returns where the driver of a ride is and asks for what follows, for a while.
func (e *Engine) listenTo(ctx context.Context, id string, life time.Duration) (LivePosition, error) {
	region, _ := regionOfRide(id)
	answer, err := e.run(ctx, listenScript, region, id, e.liveChannel(), life.Milliseconds())
	if err != nil {
		return LivePosition{}, err
	}
	if answer.code != "ok" {
		_, err := answer.rideOrRefusal()
		return LivePosition{}, err
	}
	part := answer.strings(0)
	if len(part) != 5 {
		return LivePosition{}, fmt.Errorf("%w: script answered %d values", ErrUnavailable, len(part))
	}
	return readLive(part[0], part[1:])
}

// readLive reads lat, lng, seen and motion.
func readLive(driver string, part []string) (LivePosition, error) {
	r := record{}
	p := LivePosition{
		DriverID: driver,
		Point:    geo.Point{Lat: r.float("lat", part[0]), Lon: r.float("lng", part[1])},
		SeenAt:   r.timeOf("seen", part[2]),
		Motion:   r.motion(part[3]),
	}
	return p, r.err
}

// board has a seat for each follower, where the newest position of their ride lies.
type board struct {
	mu    sync.Mutex
	seats map[string]map[*seat]struct{} // by ride
}

type seat struct {
	filled chan struct{}
	newest *LivePosition // nil: taken
}

func (b *board) sit(ride string) *seat {
	s := &seat{filled: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seats == nil {
		b.seats = make(map[string]map[*seat]struct{})
	}
	if b.seats[ride] == nil {
		b.seats[ride] = make(map[*seat]struct{})
	}
	b.seats[ride][s] = struct{}{}
	return s
}

func (b *board) leave(ride string, s *seat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if delete(b.seats[ride], s); len(b.seats[ride]) == 0 {
		delete(b.seats, ride)
	}
}

// post lays a message of tell in drivers.lua at the seats of its ride. It never blocks.
func (b *board) post(message string) {
	part := strings.SplitN(message, " ", 5)
	if len(part) != 5 {
		return
	}
	p, err := readLive("", part[1:])
	if err != nil {
		return // of a release with another form: followers look by themselves
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.seats[part[0]] {
		s.put(p)
	}
}

func (s *seat) put(p LivePosition) {
	if s.newest == nil || !s.newest.SeenAt.After(p.SeenAt) {
		s.newest = &p
	}
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// put lays a position that was read at one seat.
func (b *board) put(s *seat, p LivePosition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.put(p)
}

// take empties a seat.
func (b *board) take(s *seat) *LivePosition {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := s.newest
	s.newest = nil
	return p
}

// peek returns what take would.
func (b *board) peek(s *seat) *LivePosition {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.newest
}

// RideFollower follows a ride: each of its versions, as Changes does, and between them where
// its driver is. It is for one goroutine. Close must be called.
type RideFollower struct {
	e     *Engine
	id    string
	after Revision
	ride  Ride // the version seen last

	wake <-chan struct{}
	stop func()
	tick *time.Ticker
	seat *seat

	look   bool         // the ride may have changed
	looked bool         // the first look, which needs no turn, has been taken
	asked  time.Time    // when positions were asked for
	told   time.Time    // when one was returned
	last   LivePosition // which that was
	rested bool         // nothing followed it
}

// Update is what a RideFollower tells of: versions of the ride, or the newest position of
// its driver. Ended: there will be nothing more.
type Update struct {
	Rides    []Ride
	Position *LivePosition
	Ended    bool
}

// FollowRide begins behind a revision, as Changes does.
func (e *Engine) FollowRide(id string, after Revision) *RideFollower {
	f := &RideFollower{e: e, id: id, after: after, seat: e.live.sit(id), look: true, rested: true}
	f.wake, f.stop = e.hub.Listen(rideTopic(id))
	every := pollEvery
	if e.subscribed.Load() {
		every = lookEvery
	}
	f.tick = time.NewTicker(every)
	return f
}

// Close ends it.
func (f *RideFollower) Close() {
	f.stop()
	f.tick.Stop()
	f.e.live.leave(f.id, f.seat)
}

// Ride is the version returned last.
func (f *RideFollower) Ride() Ride { return f.ride }

// Next waits for an update, and returns an empty one when ctx ends first. At most one
// position of each second is returned, the newest. Errors: ErrNotFound, also once the ride is
// no longer the caller's; ErrUnavailable, after which Next may be called again.
func (f *RideFollower) Next(ctx context.Context) (Update, error) {
	for {
		if f.look {
			u, err := f.changes(ctx)
			if err != nil && ctx.Err() != nil {
				return Update{}, nil //nolint:nilerr // the caller has ended it
			}
			if err != nil || len(u.Rides) > 0 || u.Ended {
				return u, err
			}
		}
		wait, err := f.listen(ctx)
		if err != nil && ctx.Err() == nil {
			return Update{}, fmt.Errorf("follow ride: %w", err)
		}
		if !f.look && wait == 0 {
			if p := f.e.live.take(f.seat); p != nil && p.follows(f.last) {
				f.told, f.last, f.rested = time.Now(), *p, false
				return Update{Position: p}, nil
			}
			wait = liveRenew
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Update{}, nil
		case <-f.wake:
			f.look = true
		case <-f.tick.C:
			f.look = f.look || f.e.polls.Allow()
		case <-f.seat.filled:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// changes returns the versions that came since.
func (f *RideFollower) changes(ctx context.Context) (Update, error) {
	var rides []Ride
	var ended bool
	look := func() (err error) {
		rides, ended, err = f.e.versions(ctx, f.id, f.after)
		return err
	}
	var err error
	if f.looked {
		err = f.e.inTurn(ctx, look)
	} else {
		f.looked, err = true, look()
	}
	if err != nil {
		return Update{}, fmt.Errorf("follow ride: %w", err)
	}
	f.look = false
	if len(rides) > 0 {
		was := f.ride
		f.ride = rides[len(rides)-1]
		f.after = f.ride.Revision
		if driverOf(was) != driverOf(f.ride) {
			f.e.live.take(f.seat)
			f.asked, f.last = time.Time{}, LivePosition{}
		}
	}
	return Update{Rides: rides, Ended: ended}, nil
}

func driverOf(r Ride) string {
	if r.Driver == nil {
		return ""
	}
	return r.Driver.DriverID
}

// listen asks for positions while the ride is under way, and returns in how long the next
// one may be told, 0 for now.
func (f *RideFollower) listen(ctx context.Context) (time.Duration, error) {
	if !f.ride.State.UnderWay() {
		return liveRenew, nil
	}
	quiet := time.Since(f.told)
	// Positions within a second of the last one are told to nobody. When none comes after
	// them, this is how they are found.
	rest := !f.rested && quiet >= liveRest
	if rest || time.Since(f.asked) >= liveRenew {
		f.rested = f.rested || rest
		var p LivePosition
		err := f.e.inTurn(ctx, func() (err error) {
			p, err = f.e.listenTo(ctx, f.id, liveLife)
			return err
		})
		switch {
		case errors.Is(err, ErrTooLate) || errors.Is(err, ErrNotFound):
			f.look, f.asked = true, time.Now()
			return liveEvery, nil
		case err != nil:
			return 0, err
		}
		f.asked = time.Now()
		f.e.live.put(f.seat, p)
	}
	if p := f.e.live.peek(f.seat); p != nil {
		return liveWait(*p, f.last, quiet), nil
	}
	if !f.rested {
		return max(time.Millisecond, liveRest-quiet), nil
	}
	return max(time.Millisecond, liveRenew-time.Since(f.asked)), nil
}

// liveWait is in how long a position may be told, when the last one was told quiet ago. One
// that is from a second later may at once: a last one that was told late, because somebody
// began to listen or looked by themselves, must not make all that follow late as well.
func liveWait(p, last LivePosition, quiet time.Duration) time.Duration {
	if p.SeenAt.Sub(last.SeenAt) >= liveEvery {
		return 0
	}
	return max(0, liveEvery-quiet)
}

package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

// Wait returns the ride as soon as its revision is another one than after or it has
// ended, and as it is when ctx ends; that is not an error. Errors: ErrNotFound,
// ErrUnavailable.
func (e *Engine) Wait(ctx context.Context, id string, after Revision) (Ride, error) {
	var ride Ride
	err := e.await(ctx, rideTopic(id), func(ctx context.Context) (bool, error) {
		next, err := e.onRide(ctx, id, rideScript)
		if err != nil {
			return false, err
		}
		ride = next
		return ride.Revision != after || ride.State.Ended(), nil
	})
	if err != nil {
		return Ride{}, fmt.Errorf("wait for ride: %w", err)
	}
	return ride, nil
}

// versionsKept is how many versions of a ride can be read, as in rides.lua.
const versionsKept = 64

// Changes is Wait for those who must not miss a version: it returns every version
// behind after, in order, as soon as there is one. With an empty after, or one that is
// not in the ride's history because Redis lost it, it returns the present version alone,
// to begin with. It returns none when ctx ends first, or when the ride has ended at
// after; ended tells which: then nothing will ever come.
// Errors: ErrNotFound, ErrUnavailable.
//
// An event stream is a loop: call Changes with the last revision sent, and a context
// that ends when it is time for a heartbeat, until ended.
func (e *Engine) Changes(ctx context.Context, id string, after Revision) (rides []Ride, ended bool, err error) {
	err = e.await(ctx, rideTopic(id), func(ctx context.Context) (bool, error) {
		rides, ended, err = e.versions(ctx, id, after)
		return len(rides) > 0 || ended, err
	})
	if err != nil {
		return nil, false, fmt.Errorf("follow ride: %w", err)
	}
	return rides, ended, nil
}

// versions returns those behind a revision, and whether the last one is an end.
func (e *Engine) versions(ctx context.Context, id string, after Revision) (rides []Ride, ended bool, err error) {
	r, err := e.rideRecord(ctx, id, rideScript)
	if err != nil {
		return nil, false, err
	}
	last, err := r.ride()
	if err != nil {
		return nil, false, err
	}
	for version := max(r.behind(after, last.Version), last.Version-versionsKept+1); version <= last.Version; version++ {
		ride, err := r.rideAt(version)
		if err != nil {
			return nil, false, err
		}
		rides = append(rides, ride)
	}
	return rides, last.State.Ended(), nil
}

// behind returns the version that follows a revision, or the last one when the revision
// is not in this history.
func (r *record) behind(after Revision, last int64) int64 {
	version, exact := after.version()
	switch {
	case version < 1 || version > last:
		return last
	case exact && revision(version, r.fields["h"+strconv.FormatInt(version, 10)]) != after:
		return last
	}
	return version + 1
}

// RideAt returns a ride as it was at one of its versions, which is what an Event tells
// of. Errors: ErrNotFound, ErrUnavailable.
func (e *Engine) RideAt(ctx context.Context, id string, version int64) (Ride, error) {
	r, err := e.rideRecord(ctx, id, rideScript)
	if err != nil {
		return Ride{}, fmt.Errorf("read ride: %w", err)
	}
	if last := r.integer("version"); version < 1 || version > last || version <= last-versionsKept {
		return Ride{}, fmt.Errorf("read ride: %w", ErrNotFound)
	}
	ride, err := r.rideAt(version)
	if err != nil {
		return Ride{}, fmt.Errorf("read ride: %w", err)
	}
	return ride, nil
}

func (e *Engine) rideRecord(ctx context.Context, id string, s lua.Script) (*record, error) {
	region, ok := regionOfRide(id)
	if !ok {
		return nil, ErrNotFound
	}
	owner := OwnerOf(ctx)
	answer, err := e.run(ctx, s, region, id, owner.Rider, owner.Driver)
	if err != nil {
		return nil, err
	}
	if answer.code == "not_found" {
		return nil, ErrNotFound
	}
	if len(answer.values) < 2 {
		return nil, fmt.Errorf("%w: script answered %s", ErrUnavailable, strconv.Quote(answer.code))
	}
	return newRecord(id, answer.strings(1)), nil
}

// A waiting call looks by itself every pollEvery. Once wake-ups arrive, looking only
// covers a lost one, and lookEvery is enough: thousands of calls may wait.
const (
	pollEvery = time.Second
	lookEvery = 5 * time.Second
)

// Topics are what the scripts publish.
func rideTopic(id string) string   { return "ride " + id }
func driverTopic(id string) string { return "driver " + id }

// dueTopic is woken when something has fallen due in a region, as matching.lua says.
func dueTopic(region string) string { return "due " + prefix(region) }

// regionTopic is woken by everything that happens in a region.
func regionTopic(region string) string { return "region " + region }

// wakeFor wakes those who wait for what a message tells of: "ride ID", or "driver PREFIX
// ID" with the prefix of the region.
func (e *Engine) wakeFor(message string) {
	kind, what, _ := strings.Cut(message, " ")
	switch kind {
	case "ride":
		region, _ := regionOfRide(what)
		e.hub.Wake(message)
		e.hub.Wake(regionTopic(region))
	case "driver":
		in, id, _ := strings.Cut(what, " ")
		e.hub.Wake(driverTopic(id))
		e.hub.Wake(regionTopic(strings.TrimSuffix(strings.TrimPrefix(in, "geogate:{"), "}")))
	default:
		e.hub.Wake(message)
	}
}

// subscribe feeds the hub until ctx ends. go-redis reconnects by itself; what was
// published meanwhile is lost, so every listener is woken then.
func (e *Engine) subscribe(ctx context.Context) {
	sub := e.rdb.Subscribe(ctx, channel, e.liveChannel())
	defer func() {
		e.subscribed.Store(false)
		_ = sub.Close()
	}()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(4096))
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Subscription:
				e.subscribed.Store(true)
				e.hub.WakeAll()
			case *redis.Message:
				if m.Channel == channel {
					e.wakeFor(m.Payload)
				} else {
					e.live.post(m.Payload)
				}
			}
		}
	}
}

const (
	// maxLooks is how many of those who wait look at a time, after their first look.
	// Thousands may wait, all wake-ups may come at once, and what acts on rides and
	// drivers shares its connections to Redis with them.
	maxLooks = 2
	// maxPolls is how many looks a second may begin without a wake-up: 2 % of one core
	// of Redis. Above it they come later.
	maxPolls = 200
)

// inTurn calls look when no more than maxLooks others look. Errors: that of ctx when it
// ends before.
func (e *Engine) inTurn(ctx context.Context, look func() error) error {
	select {
	case e.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.looking }()
	return look()
}

// await calls look until it is done, first at once and then after each wake-up of
// the topic. The end of ctx is no error: the caller has what look saw last. So the first
// look is taken however short the wait is.
func (e *Engine) await(ctx context.Context, topic string, look func(ctx context.Context) (done bool, err error)) error {
	wake, stop := e.hub.Listen(topic)
	defer stop()
	every := pollEvery
	if e.subscribed.Load() {
		every = lookEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	done, err := look(context.WithoutCancel(ctx))
	for !done && err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C:
			if !e.polls.Allow() {
				continue
			}
		}
		err = e.inTurn(ctx, func() error {
			done, err = look(ctx)
			return err
		})
		if ctx.Err() != nil {
			return nil // the caller has what look saw last
		}
	}
	return err
}

package dispatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// OutboxMost is how many events are read and handed on at a time: it bounds how long
// one step keeps Redis busy.
const OutboxMost = 100

// Event tells of one transition. It was appended to the region's stream in the step
// that made the transition.
type Event struct {
	ID     string // of the stream; unique and rising within the region
	Region string
	// Type is "ride." and the state reached, or "driver.available", "driver.offline",
	// "driver.released" (a leak repaired).
	Type      string
	At        time.Time
	RideID    string
	Version   int64 // of the ride; 0 for events of drivers
	DriverID  string
	WasDriver string // who the ride named before
	Reason    string
	DistanceM float64
	SeenAt    time.Time // when the driver of an offer or match was last heard of

	// Ride is the ride at Version, for events of rides, and Driver the driver as they are
	// now, for events of drivers; nil when Redis no longer has them, or not in this region. Emit gets them,
	// EventOf does not.
	Ride   *Ride
	Driver *Driver
}

// EmitFunc takes events of one region over, at most OutboxMost. It must be safe to call
// it again with the same ones, and with some of them.
type EmitFunc func(ctx context.Context, events []Event) error

// handOn passes the events of a region to Emit, in order, whenever this process holds
// the lease for it.
func (e *Engine) handOn(ctx context.Context, region string) {
	wake, stop := e.hub.Listen(regionTopic(region))
	defer stop()
	full := false
	e.repeat(ctx, "hand on events", nil, func(ctx context.Context) (time.Duration, error) {
		waiting, err := e.handOnSome(ctx, region)
		full = e.tellBacklog(region, waiting, full)
		if err != nil || waiting > OutboxMost {
			return 0, err
		}
		tick := time.NewTimer(pollEvery)
		defer tick.Stop()
		select {
		case <-ctx.Done():
		case <-wake:
		case <-tick.C:
		}
		return 0, nil
	})
	done := context.WithoutCancel(ctx)
	if _, err := e.run(done, outboxDoneScript, region, e.worker, "", "1"); err != nil {
		e.cfg.Log.Debug().Err(err).Msg("outbox lease left to lapse")
	}
}

// tellBacklog logs that nothing new begins because of the events that wait, and the end
// of that. It returns whether it is so now.
func (e *Engine) tellBacklog(region string, waiting int64, before bool) bool {
	if waiting < 0 {
		return before // it is not known
	}
	full := waiting >= int64(e.cfg.MaxUnsent)
	switch log := e.cfg.Log.With().Str("region", region).Int64("events", waiting).Logger(); {
	case full && !before:
		log.Warn().Msg("too many events wait to be handed on: no ride begins and no driver comes on duty")
	case before && !full:
		log.Info().Msg("events are handed on again: rides may begin")
	}
	return full
}

// handOnSome hands on what it finds, and reports how many events were waiting, -1 if
// it cannot tell.
func (e *Engine) handOnSome(ctx context.Context, region string) (waiting int64, err error) {
	answer, err := e.run(ctx, outboxReadScript, region, e.worker, lease.Milliseconds(), OutboxMost)
	if err != nil {
		return -1, fmt.Errorf("read events: %w", err)
	}
	if answer.code == "leased" || len(answer.values) < 1 {
		return -1, nil
	}
	entries, _ := answer.values[0].([]any)
	waiting = answer.int(1)
	if len(entries) == 0 {
		return waiting, nil
	}
	events := make([]Event, len(entries))
	for i, entry := range entries {
		if events[i], err = newEvent(region, entry); err != nil {
			return waiting, err
		}
	}
	if err := e.illustrate(ctx, events); err != nil {
		return waiting, fmt.Errorf("read what events tell of: %w", err)
	}
	// A slow process must not outlive its lease.
	emitting, cancel := context.WithTimeout(ctx, lease-renewEvery)
	defer cancel()
	if err := e.cfg.Emit(emitting, events); err != nil {
		return waiting, fmt.Errorf("emit events: %w", err)
	}
	last := events[len(events)-1].ID
	if _, err := e.run(context.WithoutCancel(ctx), outboxDoneScript, region, e.worker, last, "0"); err != nil {
		return waiting, fmt.Errorf("note events handed on: %w", err)
	}
	return waiting, nil
}

// illustrate reads the rides and drivers that events tell of, in one round trip.
func (e *Engine) illustrate(ctx context.Context, events []Event) error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	found := make([]*redis.MapStringStringCmd, len(events))
	_, err := e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, ev := range events {
			key := prefix(ev.Region) + ":driver:" + ev.DriverID
			if ev.Version > 0 {
				key = prefix(ev.Region) + ":ride:" + ev.RideID
			}
			found[i] = pipe.HGetAll(ctx, key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for i := range events {
		ev := &events[i]
		r := &record{id: ev.DriverID, fields: found[i].Val()}
		switch {
		case r.gone(): // the event outlived them
		case ev.Version > 0:
			r.id = ev.RideID
			if r.fields["h"+strconv.FormatInt(ev.Version, 10)] == "" { // of a history that was lost
				continue
			}
			ride, err := r.rideAt(ev.Version)
			if err != nil {
				return err
			}
			ev.Ride = &ride
		default:
			driver, err := r.driver(ev.Region)
			if err != nil {
				return err
			}
			ev.Driver = &driver
		}
	}
	return nil
}

// newEvent decodes an entry of the stream as a script returns it.
func newEvent(region string, entry any) (Event, error) {
	pair, _ := entry.([]any)
	if len(pair) != 2 {
		return Event{}, fmt.Errorf("%w: event cannot be read", ErrUnavailable)
	}
	id, _ := pair[0].(string)
	flat, _ := pair[1].([]any)
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		fields[name], _ = flat[i+1].(string)
	}
	return EventOf(region, id, fields)
}

// EventOf decodes an entry of a region's stream, for tools that read the stream.
func EventOf(region, id string, fields map[string]string) (Event, error) {
	ev := Event{
		ID: id, Region: region, Type: fields["type"], RideID: fields["ride"],
		DriverID: fields["driver"], WasDriver: fields["was"], Reason: fields["reason"],
	}
	r := record{fields: fields}
	ev.At = r.time("at")
	if fields["version"] != "" {
		ev.Version = r.integer("version")
	}
	if fields["distance"] != "" {
		ev.DistanceM = r.float("distance", fields["distance"])
	}
	if fields["seen"] != "" {
		ev.SeenAt = r.time("seen")
	}
	if r.err != nil {
		return Event{}, fmt.Errorf("decode event %s: %w", strconv.Quote(id), r.err)
	}
	return ev, nil
}

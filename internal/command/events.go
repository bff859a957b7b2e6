package command

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/event"
	"geogate/internal/natsbus"
	"geogate/internal/trace"
)

// emit publishes transitions of dispatch in the log of events, with what a GET showed
// at that version. It may be called again with the same transitions.
func (a *app) emit(ctx context.Context, events []dispatch.Event) error {
	told := make([]event.Publication, 0, len(events))
	for _, ev := range events {
		kind, known := eventType(ev.Type)
		if !known {
			continue
		}
		p := event.Publication{Type: kind, At: ev.At, Source: ev.Region, Position: ev.ID}
		var err error
		if ev.RideID != "" && strings.HasPrefix(kind, "request.") {
			p.Subject = "ride:" + ev.RideID
			if ev.Ride != nil {
				p.Trace = ev.Ride.Trace
			}
			p.Data, err = rideData(ev)
		} else {
			p.Subject = "driver:" + ev.Region + ":" + ev.DriverID
			p.Data, err = driverData(ev)
		}
		if err != nil {
			return fmt.Errorf("render event: %w", err)
		}
		told = append(told, p)
	}
	for batch := range slices.Chunk(told, event.MaxHandOver) {
		if err := a.events.PublishAll(ctx, batch); err != nil {
			return err
		}
	}
	for _, ev := range events {
		if ev.Ride != nil {
			a.metrics.ObserveRide(*ev.Ride)
			a.traceMatch(*ev.Ride)
		}
	}
	return nil
}

// eventType turns a type of dispatch into the one in the contract. It returns
// false for those that concern dispatch alone.
func eventType(kind string) (string, bool) {
	if state, found := strings.CutPrefix(kind, "ride."); found {
		return "request." + state, true
	}
	return kind, kind == event.DriverAvailable || kind == event.DriverOffline
}

func rideData(ev dispatch.Event) (json.RawMessage, error) {
	if ev.Ride == nil { // the event outlived the ride: say what it says itself
		return json.Marshal(map[string]any{
			"request_id": ev.RideID, "version": ev.Version, "region": ev.Region,
			"state": strings.TrimPrefix(ev.Type, "ride."),
		})
	}
	return gateway.RideJSON(*ev.Ride)
}

func driverData(ev dispatch.Event) (json.RawMessage, error) {
	state := dispatch.DriverState(strings.TrimPrefix(ev.Type, "driver."))
	if ev.Driver == nil { // erased
		return json.Marshal(map[string]any{"id": ev.DriverID, "region": ev.Region, "state": state})
	}
	// They may have moved on since; the event is about the state they reached.
	d := *ev.Driver
	if d.State != state {
		d.State, d.RideID = state, ""
	}
	return gateway.DriverJSON(d)
}

// answer serves requests of the bus as if they had been posted to path.
func (a *app) answer(path string) natsbus.AnswerFunc {
	return func(ctx context.Context, request []byte) (int, []byte) {
		return a.gateway.Call(ctx, path, request)
	}
}

// traceMatch hands over the span of a match, from the request of the ride to the driver,
// below the step that created it. A match has no process of its own: a position that
// one process took may match a ride that another one created, so the one that hands on
// the event tells of it, with the times in Redis.
func (a *app) traceMatch(ride dispatch.Ride) {
	if ride.State != dispatch.Matched || ride.Trace == "" {
		return
	}
	requested := a.tracer.Resume(ride.Trace)
	span := requested.Below(trace.Internal, "match ride", ride.CreatedAt)
	span.Set("geogate.ride_id", ride.ID)
	span.Set("geogate.region", ride.Region)
	span.SetNumber("geogate.version", ride.Version)
	span.EndAt(ride.UpdatedAt)
}

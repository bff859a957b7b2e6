package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/event"
	"geogate/internal/natsbus"
)

// emit publishes a transition of dispatch in the log of events, with what a GET
// showed at that version. It may be called again with the same transition.
func (a *app) emit(ctx context.Context, ev dispatch.Event) error {
	kind, told := eventType(ev.Type)
	if !told {
		return nil
	}
	p := event.Publication{Type: kind, At: ev.At, Source: ev.Region, Position: ev.ID}
	var err error
	if ev.RideID != "" && strings.HasPrefix(kind, "request.") {
		p.Subject = "ride:" + ev.RideID
		p.Data, err = a.rideData(ctx, ev)
	} else {
		p.Subject = "driver:" + ev.Region + ":" + ev.DriverID
		p.Data, err = a.driverData(ctx, ev)
	}
	if err != nil {
		return fmt.Errorf("render event: %w", err)
	}
	_, _, err = a.events.Publish(ctx, p)
	return err
}

// eventType turns a type of dispatch into the one in the contract. It returns
// false for those that concern dispatch alone.
func eventType(kind string) (string, bool) {
	if state, found := strings.CutPrefix(kind, "ride."); found {
		return "request." + state, true
	}
	return kind, kind == event.DriverAvailable || kind == event.DriverOffline
}

func (a *app) rideData(ctx context.Context, ev dispatch.Event) (json.RawMessage, error) {
	ride, err := a.engine.RideAt(ctx, ev.RideID, ev.Version)
	switch {
	case errors.Is(err, dispatch.ErrNotFound): // the event outlived the ride: say what it says itself
		return json.Marshal(map[string]any{
			"request_id": ev.RideID, "version": ev.Version, "region": ev.Region,
			"state": strings.TrimPrefix(ev.Type, "ride."),
		})
	case err != nil:
		return nil, err
	}
	a.metrics.ObserveRide(ride)
	return gateway.RideJSON(ride)
}

func (a *app) driverData(ctx context.Context, ev dispatch.Event) (json.RawMessage, error) {
	d, err := a.engine.Driver(ctx, ev.Region, ev.DriverID)
	switch {
	case errors.Is(err, dispatch.ErrNotFound): // erased
		return json.Marshal(map[string]any{
			"id": ev.DriverID, "region": ev.Region, "state": strings.TrimPrefix(ev.Type, "driver."),
		})
	case err != nil:
		return nil, err
	}
	// They may have moved on since; the event is about the state they reached.
	if state := dispatch.DriverState(strings.TrimPrefix(ev.Type, "driver.")); d.State != state {
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

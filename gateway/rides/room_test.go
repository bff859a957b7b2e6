package rides_test

import (
	"context"
	"errors"
	"testing"

	"geogate/dispatch"
	"geogate/gateway/gatewaytest"
	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

func newWithDispatch(t *testing.T, cfg dispatch.Config) *gatewaytest.Fixture {
	t.Helper()
	f := &gatewaytest.Fixture{Redis: redistest.Start(t), Upstream: upstreamtest.New(t), Dispatch: cfg}
	return f.Sibling(t)
}

// wantNoRoom checks that a client is told to come again.
func wantNoRoom(t *testing.T, got gatewaytest.Answer, code string) {
	t.Helper()
	var p gatewaytest.Problem
	got.JSON(t, &p)
	if got.StatusCode != 503 || p.Code != code || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s with Retry-After %q, want 503 %s and a pause", got.StatusCode, got.Text, got.Header.Get("Retry-After"), code)
	}
}

func TestNoRoomForAnotherDriver(t *testing.T) {
	f := newWithDispatch(t, dispatch.Config{MaxDrivers: 1})
	if got := f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Text)
	}
	wantNoRoom(t, f.Do(t, "POST /tracking", `{"id":"another","lat":1,"lng":1}`), "driver_cap")
	if got := f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago); got.StatusCode != 200 {
		t.Errorf("a driver on duty moves: %d %s", got.StatusCode, got.Text)
	}
}

func TestNoRoomForMoreEvents(t *testing.T) {
	f := newWithDispatch(t, dispatch.Config{MaxUnsent: 3, Emit: func(context.Context, []dispatch.Event) error {
		return errors.New("nobody takes them")
	}})
	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	wantNoRoom(t, f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago), "events_backlog")
	wantNoRoom(t, f.Do(t, "POST /tracking", `{"id":"another","lat":1,"lng":1}`), "events_backlog")
	if got := f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`); got.StatusCode != 200 {
		t.Errorf("the ride ends: %d %s", got.StatusCode, got.Text)
	}
}

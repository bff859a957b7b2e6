package dispatchtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"geogate/dispatch"
	"geogate/internal/geo"
)

// at is a time in the histories below, in seconds.
func at(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }

// history is one that holds: driver 1 is offered ride a, declines, driver 2 takes it
// and completes it, ride b expires.
func history() History {
	events := []dispatch.Event{
		{Type: "driver.available", DriverID: "1", At: at(0)},
		{Type: "driver.available", DriverID: "2", At: at(0)},
		{Type: "ride.searching", RideID: "a", Version: 1, At: at(1)},
		{Type: "ride.offered", RideID: "a", Version: 2, DriverID: "1", At: at(1), SeenAt: at(0), DistanceM: 0},
		{Type: "ride.searching", RideID: "a", Version: 3, WasDriver: "1", At: at(2), Reason: "declined"},
		{Type: "ride.offered", RideID: "a", Version: 4, DriverID: "2", At: at(2), SeenAt: at(0), DistanceM: 111},
		{Type: "ride.matched", RideID: "a", Version: 5, DriverID: "2", WasDriver: "2", At: at(3)},
		{Type: "ride.searching", RideID: "b", Version: 1, At: at(3)},
		{Type: "ride.completed", RideID: "a", Version: 6, DriverID: "2", WasDriver: "2", At: at(4)},
		{Type: "ride.expired", RideID: "b", Version: 2, At: at(13), Reason: "deadline"},
		{Type: "driver.offline", DriverID: "1", At: at(14), Reason: "stale"},
	}
	for i := range events {
		events[i].ID = fmt.Sprint(i, "-0")
	}
	ms := func(seconds int) string { return strconv.FormatInt(at(seconds).UnixMilli(), 10) }
	return History{
		Now:    at(20),
		Events: events,
		Rides: map[string]map[string]string{
			"a": {"state": "completed", "version": "6", "lat": "0", "lng": "0", "deadline": ms(11)},
			"b": {"state": "expired", "version": "2", "lat": "0", "lng": "0", "deadline": ms(13)},
		},
		Drivers: map[string]map[string]string{
			"1": {"state": "offline"},
			"2": {"state": "available"},
		},
		Due: map[string]bool{}, Waiting: map[string]bool{}, Engaged: map[string]bool{},
		Available: map[string]bool{"2": true}, Watched: map[string]bool{"1": true, "2": true},
	}
}

var rules = Rules{
	DriverTTL: time.Minute, Slack: time.Second,
	Positions: map[string]geo.Point{"1": {}, "2": {Lat: 0.001}},
}

func TestCheckFindsViolations(t *testing.T) {
	if found := Check(history(), rules); len(found) > 0 {
		t.Fatalf("Check of a history that holds: %v", found)
	}
	tests := []struct {
		name  string
		spoil func(h *History)
		want  string // part of a violation
	}{
		{"version skipped", func(h *History) { h.Events[4].Version = 9 }, "version follows"},
		{"end after an end", func(h *History) {
			h.Events = append(h.Events, dispatch.Event{Type: "ride.cancelled", RideID: "b", Version: 3, At: at(15)})
		}, `no way from "expired" to "cancelled"`},
		{"driver given away twice", func(h *History) {
			h.Events[8] = dispatch.Event{Type: "ride.matched", RideID: "b", Version: 2, DriverID: "2", At: at(4), SeenAt: at(3)}
		}, `driver is busy with ride "a"`},
		{"asked twice", func(h *History) { h.Events[5].DriverID = "1" }, "was asked before"},
		{"stale driver", func(h *History) { h.Events[3].SeenAt = at(-60) }, "not heard of for 1m1s"},
		{"unknown driver", func(h *History) { h.Events = h.Events[1:] }, "nobody has heard"},
		{"somebody else accepts", func(h *History) { h.Events[6].DriverID = "1" }, "accepted by a driver who is"},
		{"nearer one was free", func(h *History) {
			h.Events[3].DriverID, h.Events[3].DistanceM = "2", 111
		}, `"1" was free at 0.0 m`},
		{"late deadline", func(h *History) { h.Events[9].At = at(15) }, "expired 2s after"},
		{"early deadline", func(h *History) { h.Events[9].At = at(12) }, "expired -1s after"},
		{"forgotten ride", func(h *History) {
			h.Events = append(h.Events[:9:9], h.Events[10])
			h.Rides["b"]["state"], h.Rides["b"]["version"] = "searching", "1"
			h.Due["b"], h.Waiting["b"] = true, true
		}, "searches on 7s after"},
		{"vanished live ride", func(h *History) {
			h.Events = append(h.Events[:9:9], h.Events[10])
			h.Rides["b"] = nil
		}, "a live ride is gone"},
		{"end without an event", func(h *History) { h.Rides["a"]["state"] = "cancelled" }, "events say completed"},
		{"ended ride due", func(h *History) { h.Due["a"] = true }, "in the due set: true"},
		{"ended ride waiting", func(h *History) { h.Waiting["b"] = true }, "in the waiting index: true"},
		{"driver leaked", func(h *History) {
			h.Drivers["2"]["state"], h.Drivers["2"]["ride"] = "busy", "a"
		}, `is busy with ride "a", events say available`},
		{"driver not watched", func(h *History) { delete(h.Watched, "2") }, "watched false"},
		{"driver not on the map", func(h *History) { delete(h.Available, "2") }, "available false"},
		{"repaired leak", func(h *History) { h.Events[10].Type = "driver.released" }, "had leaked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := history()
			tt.spoil(&h)
			found := fmt.Sprint(Check(h, rules))
			if !strings.Contains(found, tt.want) {
				t.Errorf("Check found %s, want %q", found, tt.want)
			}
		})
	}
}

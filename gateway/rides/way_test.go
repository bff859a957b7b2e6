package rides

import (
	"testing"
	"time"

	"geogate/internal/geo"
	"geogate/internal/routing"
)

// A driver far from any road has an estimate among the times of an engine, which says so.
func TestETAOfACell(t *testing.T) {
	tests := []struct {
		name string
		cell routing.Cell
		want *eta
	}{
		{"a way", routing.Cell{Seconds: 60.4, Metres: 700.5}, &eta{60, 701, "osrm", false}},
		{"a way that was kept", routing.Cell{Seconds: 60, Metres: 700, Hit: true}, &eta{60, 700, "osrm", true}},
		{"no way", routing.Cell{Unreachable: true}, nil},
		{"near no road", routing.Cell{Seconds: 60, Metres: 700, OffRoad: true}, &eta{60, 700, "estimate", false}},
	}
	for _, tt := range tests {
		if got := newETA(tt.cell, "osrm"); (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A stream asks for a way once in a while; in between as much of it is left as of the
// straight line.
func TestWayAhead(t *testing.T) {
	to := geo.Point{Lat: 47, Lon: 9}
	north := func(share float64) geo.Point { return geo.Point{Lat: 47 + .1*share, Lon: 9} }
	way := func(at time.Time) *wayAhead {
		return &wayAhead{from: north(1), to: to, eta: &eta{Seconds: 600, Metres: 9000, Source: "osrm"}, asked: at}
	}
	now := time.Now()
	tests := []struct {
		name string
		way  *wayAhead
		from geo.Point
		to   geo.Point
		want *eta
	}{
		{"nothing is known", new(wayAhead), north(1), to, nil},
		{"they stand", way(now), north(1), to, &eta{600, 9000, "osrm", true}},
		{"half of it", way(now), north(.5), to, &eta{300, 4500, "osrm", true}},
		{"they are there", way(now), to, to, &eta{0, 0, "osrm", true}},
		{"they stray", way(now), north(1.3), to, nil},
		{"they go elsewhere", way(now), north(.5), north(2), nil},
		{"it is too old", way(now.Add(-etaHold)), north(.5), to, nil},
		{"they were there", &wayAhead{from: to, to: to, eta: &eta{}, asked: now}, to, to, nil},
	}
	for _, tt := range tests {
		got := tt.way.left(tt.from, tt.to)
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

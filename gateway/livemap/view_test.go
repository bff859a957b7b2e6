package livemap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/geo"
)

func somebody(text string) *thing {
	return &thing{point: geo.Point{Lat: 1, Lon: 1}, text: []byte(text)}
}

// A map that was not there for some states gets what leads to the newest, and nothing of
// what happened in between.
func TestViewSkipsStates(t *testing.T) {
	v := newView(nil, exchange.Box{West: 0, South: 0, East: 2, North: 2})
	step := func(changes ...change) {
		for _, c := range changes {
			v.apply(c)
		}
		v.flush()
	}
	step(change{driver, "a", somebody("a1")}, change{driver, "b", somebody("b1")}) // 1
	step(change{driver, "a", somebody("a2")})                                      // 2
	step(change{driver, "b", nil}, change{driver, "c", somebody("c3")})            // 3
	step(change{driver, "a", somebody("a4")}, change{driver, "c", nil})            // 4
	step(change{driver, "c", somebody("c5")})                                      // 5
	for _, tt := range []struct {
		shown uint64
		want  string
	}{
		{4, "event: drivers\ndata: {\"drivers\":[c5]}\n\n"},
		{5, ""},
	} {
		if got := v.since(tt.shown); got != tt.want {
			t.Errorf("since %d: %q, want %q", tt.shown, got, tt.want)
		}
	}
	got := v.since(1)
	for part, want := range map[string]bool{"a4": true, "c5": true, "a2": false, "c3": false, `"drivers":["b"],"rides":[]`: true} {
		if strings.Contains(got, part) != want {
			t.Errorf("since 1: %q; has %q: %t, want %t", got, part, !want, want)
		}
	}
	if got := v.since(0); strings.Contains(got, "gone") || !strings.Contains(got, `{"rides":[]}`) {
		t.Errorf("a map that opens: %q, want everything there is, nobody who has left, and a list without rides", got)
	}
}

// What a view remembers of those who left is bounded; a map that would need more is told
// to come again.
func TestViewForgetsWhoLeftLongAgo(t *testing.T) {
	m := newMirror(nil, Config{})
	v := newView(m, exchange.Box{West: 0, South: 0, East: 2, North: 2})
	for i := range goneKept + 2 {
		id := fmt.Sprint(i)
		v.apply(change{driver, id, somebody("x")})
		v.flush()
		v.apply(change{driver, id, nil})
		v.flush()
	}
	if len(v.gone) != goneKept {
		t.Errorf("%d departures are remembered, want %d", len(v.gone), goneKept)
	}
	m.readAt = time.Now().Add(time.Hour)                       // nothing is read here
	if _, _, err := v.look(t.Context(), 1); err != errBehind { //nolint:errorlint // it is not wrapped
		t.Errorf("a map that shows state 1: %v, want %v", err, errBehind)
	}
	if events, state, err := v.look(t.Context(), v.state-1); err != nil || state != v.state || !strings.Contains(events, "gone") {
		t.Errorf("a map that shows the state before: %q, %d, %v", events, state, err)
	}
}

func TestViewShowsSoMany(t *testing.T) {
	v := newView(nil, exchange.Box{West: 0, South: 0, East: 2, North: 2})
	for i := range maxShown + 10 {
		v.apply(change{driver, fmt.Sprint(i), somebody("x")})
	}
	if len(v.shown[driver]) != maxShown {
		t.Errorf("%d drivers are shown, want %d", len(v.shown[driver]), maxShown)
	}
	v.apply(change{driver, "0", nil})
	v.apply(change{driver, "late", somebody("y")})
	if _, shown := v.shown[driver]["late"]; !shown {
		t.Error("who moves once there is room is not shown")
	}
}

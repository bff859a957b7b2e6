package simulate

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/geo"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// The town of a seed is always the same one, and its drivers drive as in one.
func TestTown(t *testing.T) {
	town := func(seed uint64) *simulation {
		s := newSimulation([]string{"http://localhost:1"}, Config{Seed: seed}.withDefaults())
		s.populate()
		return s
	}
	a, b, other := town(1), town(1), town(2)
	same := 0
	for minute := range 10 {
		for i := range a.drivers {
			from := a.drivers[i].at
			p, heard := a.drivers[i].move(a.city, time.Minute)
			q, _ := b.drivers[i].move(b.city, time.Minute)
			r, _ := other.drivers[i].move(other.city, time.Minute)
			if p != q {
				t.Fatalf("minute %d: driver %d is at %v and at %v", minute, i, p, q)
			}
			if heard && p == r {
				same++
			}
			if m := geo.Distance(from, a.drivers[i].at); m > 60*driveSpeed*1.01 {
				t.Errorf("driver %d went %.0f m in a minute", i, m)
			}
			if m := geo.Distance(munich, a.drivers[i].at); m > 3*a.cfg.RadiusM {
				t.Errorf("driver %d is %.0f m from the centre", i, m)
			}
		}
	}
	if same > 0 {
		t.Errorf("%d positions are the same with another seed", same)
	}
}

// Hotspots are where most of it happens.
func TestHotspots(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	c := newCity(rng, munich, 5000)
	near := 0
	const places = 2000
	for range places {
		p := c.place(rng)
		for _, h := range c.hotspots {
			if geo.Distance(p, h.at) < 3*h.spread {
				near++
				break
			}
		}
	}
	if near < places/2 {
		t.Errorf("%d of %d places are near a hotspot", near, places)
	}
}

func TestReadDrive(t *testing.T) {
	f, err := os.Open("../../testdata/traces/munich-drive-1hz.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	points, err := ReadDrive(f)
	if err != nil || len(points) != 1194 {
		t.Fatalf("ReadDrive: %d points, %v, want 1194", len(points), err)
	}
	jumps := 0 // a real GPS loses itself, here for once
	for i := range points[1:] {
		if geo.Distance(points[i], points[i+1]) > 80 {
			jumps++
		}
	}
	if jumps > 1 {
		t.Errorf("%d jumps", jumps)
	}
	d := &driver{route: points}
	for i := range 3 {
		if p, heard := d.move(nil, time.Second); !heard || p != points[i] {
			t.Errorf("second %d: at %v, want %v", i, p, points[i])
		}
	}
	for name, text := range map[string]string{
		"no JSON": "POINT(1 2)", "empty": "[]", "other words": `[{"point":"1,2"}]`, "off the globe": `[{"point":"POINT(200 2)"}]`,
	} {
		if _, err := ReadDrive(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Millisecond)
	}
	if got := percentiles(all); got != (Percentiles{51, 91, 100, 100}) {
		t.Errorf("percentiles = %+v", got)
	}
	if got := percentiles(nil); got != (Percentiles{}) {
		t.Errorf("percentiles of nothing = %+v", got)
	}
}

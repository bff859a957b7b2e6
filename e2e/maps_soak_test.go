package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"geogate/bench/machine"
	"geogate/internal/pause"
	"geogate/internal/redistest"
)

const (
	town = "11,48,12,49" // a box around whoever the simulation lets move
	// window is how long each situation is measured.
	window = 20 * time.Second
)

// TestMapsAtFullSize measures what 20 open maps cost while 5,000 drivers move, beside
// none. Memory must not grow while they are open, and a client that stops reading must
// be dropped while the others are served.
func TestMapsAtFullSize(t *testing.T) {
	if !*soak {
		t.Skip("takes three minutes: run with -soak")
	}
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ADMIN_TOKEN", adminToken))
	moveDrivers(t, g, 5000, 2000)
	measure := func(name string) (used time.Duration, memory int64) {
		t.Helper()
		before := g.processorTime(t)
		if err := pause.For(t.Context(), window); err != nil {
			t.Fatal(err)
		}
		used, memory = (g.processorTime(t)-before)/(window/time.Second), g.resident(t, "VmRSS")
		t.Logf("%s: %d ms of processor a second, %d MiB", name, used.Milliseconds(), memory>>20)
		return used, memory
	}
	none, _ := measure("no map")
	of := func(box func(i int) string) (stop func()) {
		var stops []func()
		for i := range 20 {
			stops = append(stops, openMap(t, g, box(i), new(atomic.Int64)))
		}
		return func() {
			for _, stop := range stops {
				stop()
			}
		}
	}
	stop := of(func(int) string { return town })
	shared, first := measure("20 maps of one box")
	_, second := measure("20 maps of one box, again")
	if second > first+first/4 {
		t.Errorf("memory went from %d to %d MiB", first>>20, second>>20)
	}
	leaveHanging(t, g)
	stop()
	stop = of(func(i int) string { return fmt.Sprintf("11,48,12,49.%d", i+1) })
	apart, _ := measure("20 maps of 20 boxes")
	stop()
	t.Logf("beside no map: %.2f times for one box, %.2f times for 20 boxes", float64(shared)/float64(none), float64(apart)/float64(none))
	measure("no map, again")
}

// leaveHanging opens a map and stops reading it, until geogate drops it.
func leaveHanging(t *testing.T, g *process) {
	t.Helper()
	open := g.openStreams(t)
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /v2/map/events?bbox=%s HTTP/1.1\r\nHost: %s\r\n\r\n", town, g.Addr); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if now := g.openStreams(t); now != open+1 {
		t.Fatalf("%d streams are open, want %d", now, open+1)
	}
	began := time.Now()
	eventually(t, 2*time.Minute, "whoever stops reading is dropped", func() error {
		if now := g.openStreams(t); now > open {
			return fmt.Errorf("%d streams are open", now)
		}
		return nil
	})
	t.Logf("a client that stopped reading was dropped after %s", time.Since(began).Round(time.Second))
	if now := g.openStreams(t); now != open {
		t.Errorf("%d streams are left, want the %d that read", now, open)
	}
}

// TestMapFramesAtFullSize measures how many frames a second a browser without a graphics
// card draws of a map on which 10,000 drivers move.
func TestMapFramesAtFullSize(t *testing.T) {
	if !*soak {
		t.Skip("takes two minutes: run with -soak")
	}
	g := start(t, settings("REDIS_URL", "redis://"+redistest.Start(t).Addr))
	moveDrivers(t, g, 10_000, 4000)
	b := newBrowser(t)
	b.screen(t, 1440, 900, "light")
	b.do(t, "/url", map[string]string{"url": g.URL + "/console/#/map"})
	b.within(t, "all drivers are on the map", "return (window.geogateMap?.fleet.drivers.size ?? 0) >= 9900", "true")
	b.within(t, "they move", "return window.geogateMap.fleet.until > window.geogateMap.fleet.seconds()", "true")
	b.run(t, `
		const gaps = [], fleet = geogateMap.fleet, began = performance.now(), frames = fleet.frames;
		let last = began;
		(function next() {
			requestAnimationFrame((now) => {
				gaps.push(now - last);
				last = now;
				if (now - began < arguments[0]) return next.apply(null, arguments);
				gaps.sort((a, b) => a - b);
				window.measured = ((fleet.frames - frames) * 1000 / (now - began)).toFixed(1) + " frames of the drivers a second, " +
					fleet.count + " drawn; between two frames of the page p50 " + gaps[gaps.length >> 1].toFixed(1) + " ms, p99 " + gaps[Math.floor(gaps.length * 0.99)].toFixed(1) + " ms";
			});
		}).apply(null, arguments);`, window.Milliseconds())
	eventually(t, pageTimeout, "the frames are counted", func() error {
		if b.run(t, "return window.measured ?? ''") == "" {
			return errors.New("not yet")
		}
		return nil
	})
	t.Log(b.run(t, "return window.measured"))
	b.checkConsole(t)
}

// moveDrivers lets drivers move until the test ends, at so many requests a second, and
// waits until all of them have reported.
func moveDrivers(t *testing.T, g *process, drivers, rate int) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, binary, "simulate", g.URL, "--drivers", strconv.Itoa(drivers), "--rides", "1", "--ride-time", "20s", "--duration", "10m", "--rate", strconv.Itoa(rate))
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		_ = cmd.Wait()
	})
	var seen atomic.Int64
	stop := openMap(t, g, town, &seen)
	defer stop()
	eventually(t, time.Minute, "everybody is on the road", func() error {
		if now := seen.Load(); now < 3*int64(drivers) { // who moves comes again
			return fmt.Errorf("%d reports", now)
		}
		return nil
	})
}

var driverID = regexp.MustCompile(`"id":"`)

// openMap reads a map until it is stopped, and counts the drivers and rides in its events.
func openMap(t *testing.T, g *process, box string, seen *atomic.Int64) (stop func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/v2/map/events?bbox="+box, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("open map: %v, %v", res, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		part := make([]byte, 64<<10)
		for {
			n, err := res.Body.Read(part)
			seen.Add(int64(len(driverID.FindAllIndex(part[:n], -1))))
			if err != nil {
				return
			}
		}
	})
	return func() {
		end()
		reading.Wait()
		_ = res.Body.Close()
		transport.CloseIdleConnections()
	}
}

func (p *process) processorTime(t *testing.T) time.Duration {
	t.Helper()
	used, err := machine.ProcessorTime(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

var streamsLine = regexp.MustCompile(`(?m)^geogate_event_streams (\d+)`)

// openStreams is how many streams the process says that it has open.
func (p *process) openStreams(t *testing.T) int {
	t.Helper()
	match := streamsLine.FindSubmatch(p.get(t, "/metrics", "Authorization", "Bearer "+adminToken).Body)
	if match == nil {
		t.Fatal("no geogate_event_streams in /metrics")
	}
	n, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

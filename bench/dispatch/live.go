package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/internal/pause"
)

const (
	liveRate    = 2000                    // positions a second, of all drivers together
	liveEvery   = 1100 * time.Millisecond // between two of one driver: a stream has one a second
	liveLength  = 20 * time.Second        // of a measurement
	liveRounds  = int(liveLength / liveEvery)
	liveSenders = 32
	step        = 1e-5 // degrees of longitude between two positions of a driver
)

// A liveDriver reports while a rider listens, or does not.
type liveDriver struct {
	id, ride                string // ride: empty without one
	sent, answered, arrived []time.Time
}

// live measures how long a position takes to the stream of the rider: it goes to one
// process, and the rider listens at another. Before anybody listens, it measures what
// positions cost: of drivers without a ride, and of drivers with one.
func live(ctx context.Context, h *house, o options, out io.Writer) error {
	rdb, gate, err := h.pair(ctx, o.geogate)
	if err != nil {
		return err
	}
	addr := rdb.Options().Addr
	other, err := h.gate(ctx, o.geogate, addr)
	if err != nil {
		return err
	}
	reporting := int(liveRate * liveEvery.Seconds())
	free, busy := make([]*liveDriver, reporting), make([]*liveDriver, reporting)
	fmt.Fprintf(os.Stderr, "%d drivers get a ride\n", o.waiting)
	for i := range reporting {
		free[i] = &liveDriver{id: "free-" + strconv.Itoa(i)}
		if busy[i] = free[i]; i < o.waiting {
			busy[i] = &liveDriver{id: "busy-" + strconv.Itoa(i)}
			if err := busy[i].match(ctx, other); err != nil {
				return err
			}
		}
	}
	laps := 0
	cost := func(drivers []*liveDriver) (micros float64, err error) {
		laps++
		before, err := h.workedAll()
		if err != nil {
			return 0, err
		}
		n, err := report(ctx, gate, drivers, laps)
		if err != nil {
			return 0, err
		}
		after, err := h.workedAll()
		return float64((after - before).Microseconds()) / float64(n), err
	}
	var without, with []float64
	for range o.rounds {
		a, err := cost(free)
		if err != nil {
			return err
		}
		b, err := cost(busy)
		if err != nil {
			return err
		}
		without, with = append(without, a), append(with, b)
	}
	fmt.Fprintf(os.Stderr, "%d riders listen\n", o.waiting)
	listening, leave := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer leave()
	var ended atomic.Int64
	for _, d := range busy[:o.waiting] {
		stream, err := follow(listening, other, d.ride)
		if err != nil {
			return err
		}
		group.Go(func() {
			d.listen(stream, laps+1)
			if listening.Err() == nil {
				ended.Add(1)
			}
		})
	}
	listened, err := cost(busy)
	if err != nil {
		return err
	}
	if err := pause.For(ctx, time.Second); err != nil { // for the last ones under way
		return err
	}
	leave()
	group.Wait()
	var fromSent, fromAnswered []time.Duration
	missed := 0
	for _, d := range busy[:o.waiting] {
		for i, at := range d.arrived {
			if at.IsZero() {
				missed++
				continue
			}
			fromSent = append(fromSent, at.Sub(d.sent[i]))
			fromAnswered = append(fromAnswered, max(0, at.Sub(d.answered[i])))
		}
	}
	if len(fromSent) == 0 || ended.Load() > 0 {
		return fmt.Errorf("%d positions have arrived, %d streams have ended", len(fromSent), ended.Load())
	}
	fmt.Fprintf(out, "\n### From a driver's position to the rider's stream\n\n%d positions a second, one in a request, go to one process; %d riders each follow their ride on a stream of another process; both on one core. %d positions arrived, and %d were passed over for a newer one.\n\n",
		liveRate, o.waiting, len(fromSent), missed)
	fmt.Fprintln(out, "| until the stream has the position | p50 | p99 | worst |")
	fmt.Fprintln(out, "|---|---|---|---|")
	for _, row := range []struct {
		name string
		took []time.Duration
	}{{"from POST /tracking answered (0 when the stream was first)", fromAnswered}, {"from POST /tracking sent", fromSent}} {
		fmt.Fprintf(out, "| %s | %.2f ms | %.2f ms | %.2f ms |\n", row.name,
			ms(percentile(row.took, 0.5)), ms(percentile(row.took, 0.99)), ms(percentile(row.took, 1)))
	}
	fmt.Fprintf(out, "\n| processor time of both processes and Redis, µs a position | median of %d |\n|---|---|\n", o.rounds)
	fmt.Fprintf(out, "| no driver has a ride | %.1f |\n| %d of %d have one that nobody follows | %.1f |\n| and somebody follows each | %.1f (once) |\n\n",
		percentile(without, 0.5), o.waiting, reporting, percentile(with, 0.5), listened)
	return nil
}

// match gives the driver a ride.
func (d *liveDriver) match(ctx context.Context, url string) error {
	tags := []string{d.id}
	at := map[string]any{"id": d.id, "lat": centre.Lat, "lng": centre.Lng, "tags": tags}
	if _, err := post(ctx, url+"/tracking", at); err != nil {
		return err
	}
	ride, err := requested(ctx, url, map[string]any{"lat": centre.Lat, "lng": centre.Lng, "tags": tags}, "matched")
	d.ride, d.arrived = ride, make([]time.Time, liveRounds)
	return err
}

// report sends positions of all drivers in turn at the rate, and returns how many. Each lap
// has positions of its own.
func report(ctx context.Context, url string, drivers []*liveDriver, lap int) (n int, err error) {
	for _, d := range drivers {
		d.sent, d.answered = make([]time.Time, liveRounds), make([]time.Time, liveRounds)
	}
	n = liveRounds * len(drivers)
	began := time.Now()
	var next atomic.Int64
	senders, ctx := errgroup.WithContext(ctx)
	for range liveSenders {
		senders.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := pause.For(ctx, time.Until(began.Add(time.Duration(i)*time.Second/liveRate))); err != nil {
					return err
				}
				d, round := drivers[i%len(drivers)], i/len(drivers)
				d.sent[round] = time.Now()
				if _, err := post(ctx, url+"/tracking", point{d.id, centre.Lat, centre.Lng + float64(lap*liveRounds+round)*step}); err != nil {
					return err
				}
				d.answered[round] = time.Now()
			}
		})
	}
	return n, senders.Wait()
}

// follow opens the stream of a ride.
func follow(ctx context.Context, url, ride string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v2/requests/"+ride+"/events", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, fmt.Errorf("GET events: %w %d", errStatus, res.StatusCode)
	}
	return res, nil
}

// listen notes when the positions of a lap arrive, until the stream ends.
func (d *liveDriver) listen(stream *http.Response, lap int) {
	defer func() { _ = stream.Body.Close() }()
	lines := bufio.NewScanner(stream.Body)
	position := false
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			position = line == "event: position"
		case position && strings.HasPrefix(line, "data: "):
			at := time.Now()
			var p point
			if err := json.Unmarshal([]byte(line[len("data: "):]), &p); err != nil {
				continue // counted as passed over
			}
			round := int(math.Round((p.Lng-centre.Lng)/step)) - lap*liveRounds
			if round >= 0 && round < len(d.arrived) && d.arrived[round].IsZero() {
				d.arrived[round] = at
			}
		}
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// riders open event streams on one process and wait; drivers arrive at another one.
type riders struct {
	name      string // of the binary
	rdb       *redis.Client
	gate, url string  // where drivers arrive, and where the riders wait
	memory    float64 // of Redis for each of them, in bytes
	matched   chan match
	group     sync.WaitGroup

	fromSent, fromAnswered []time.Duration
}

// match is what a rider's stream said, or why it ended.
type match struct {
	at  time.Time
	err error
}

// arrival measures how long a waiting rider takes to learn of a driver who becomes
// available: the position goes to one process, and the rider listens at another.
func arrival(ctx context.Context, h *house, o options, out io.Writer) error {
	listening, leave := context.WithCancel(ctx)
	var all []*riders
	defer func() {
		leave()
		for _, r := range all {
			r.group.Wait()
		}
	}()
	for _, b := range o.binaries() {
		r, err := newRiders(ctx, h, b, o)
		if err != nil {
			return err
		}
		all = append(all, r)
		fmt.Fprintf(os.Stderr, "%d rides begin to wait: %s\n", o.waiting, r.name)
		if err := r.gather(listening, o.waiting); err != nil {
			return err
		}
	}
	for n := range o.arrivals {
		for _, r := range all {
			if err := r.arrive(listening, n); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	fmt.Fprintf(out, "\n### From a driver's arrival to the waiting rider's event\n\n%d rides wait, each with an open event stream on one process; %d drivers arrive one after the other at another process; both processes on one core.\n\n", o.waiting, o.arrivals)
	fmt.Fprintln(out, "| until the stream says matched | of | p50 | p99 | worst |")
	fmt.Fprintln(out, "|---|---|---|---|---|")
	for _, r := range all {
		for _, row := range []struct {
			name string
			took []time.Duration
		}{{"from POST /tracking answered (0 when the stream was first)", r.fromAnswered}, {"from POST /tracking sent", r.fromSent}} {
			fmt.Fprintf(out, "| %s | %s | %.2f ms | %.2f ms | %.2f ms |\n", row.name, r.name,
				ms(percentile(row.took, 0.5)), ms(percentile(row.took, 0.99)), ms(percentile(row.took, 1)))
		}
	}
	for _, r := range all {
		fmt.Fprintf(out, "\nRedis memory per waiting ride, %s: %.0f B.\n", r.name, r.memory)
	}
	fmt.Fprintln(out)
	return nil
}

func newRiders(ctx context.Context, h *house, b binary, o options) (*riders, error) {
	rdb, gate, err := h.pair(ctx, b.path)
	if err != nil {
		return nil, err
	}
	url, err := h.gate(ctx, b.path, rdb.Options().Addr)
	return &riders{name: b.name, rdb: rdb, gate: gate, url: url, matched: make(chan match, o.waiting+o.arrivals)}, err
}

// gather lets so many riders wait.
func (r *riders) gather(ctx context.Context, n int) error {
	empty, err := usedMemory(ctx, r.rdb)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range n {
		if err := r.wait(ctx, somewhere(rng)); err != nil {
			return err
		}
	}
	full, err := usedMemory(ctx, r.rdb)
	r.memory = (full - empty) / float64(n)
	return err
}

// arrive lets a driver arrive, whose number says where, and then another rider wait for the
// one who was matched.
func (r *riders) arrive(ctx context.Context, n int) error {
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	driver := somewhere(rng)
	driver.ID = strconv.Itoa(n)
	sent := time.Now()
	if _, err := post(ctx, r.gate+"/tracking", driver); err != nil {
		return err
	}
	answered := time.Now()
	select {
	case m := <-r.matched:
		if m.err != nil {
			return m.err
		}
		r.fromSent = append(r.fromSent, m.at.Sub(sent))
		r.fromAnswered = append(r.fromAnswered, max(0, m.at.Sub(answered)))
	case <-time.After(10 * time.Second):
		return fmt.Errorf("driver %d: no rider has learned of a match within 10 s", n)
	}
	return r.wait(ctx, somewhere(rng))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// requested asks for a ride, which has to be in a state then, and returns its id.
func requested(ctx context.Context, url string, what any, state string) (id string, err error) {
	answer, err := post(ctx, url+"/v2/search", what)
	if err != nil {
		return "", err
	}
	var ride struct {
		RequestID string `json:"request_id"`
		State     string `json:"state"`
	}
	if err := json.Unmarshal(answer, &ride); err != nil || ride.State != state {
		return "", fmt.Errorf("the ride is not %s: %.300s, %w", state, answer, err)
	}
	return ride.RequestID, nil
}

// wait asks for a ride and listens to its events; it returns when the stream has said
// that the ride searches.
func (r *riders) wait(ctx context.Context, at point) error {
	ride, err := requested(ctx, r.url, at, "searching")
	if err != nil {
		return err
	}
	res, err := follow(ctx, r.url, ride)
	if err != nil {
		return err
	}
	stream := bufio.NewReader(res.Body)
	if err := until(stream, "searching"); err != nil {
		_ = res.Body.Close()
		return err
	}
	r.group.Go(func() {
		err := until(stream, "matched")
		m := match{time.Now(), err}
		_ = res.Body.Close()
		if ctx.Err() == nil {
			r.matched <- m
		}
	})
	return nil
}

// until reads events up to one of the wanted kind.
func until(stream *bufio.Reader, kind string) error {
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			return fmt.Errorf("stream ended before %q: %w", kind, err)
		}
		if strings.TrimSpace(line) == "event: "+kind {
			return nil
		}
	}
}

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
)

// riders open event streams on one process and wait.
type riders struct {
	url     string
	matched chan match
	group   sync.WaitGroup
}

// match is what a rider's stream said, or why it ended.
type match struct {
	at  time.Time
	err error
}

// arrival measures how long a waiting rider takes to learn of a driver who becomes
// available: the position goes to one process, and the rider listens at another.
func arrival(ctx context.Context, h *house, o options, out io.Writer) error {
	rdb, gate, err := h.pair(ctx)
	if err != nil {
		return err
	}
	addr := rdb.Options().Addr
	r := &riders{matched: make(chan match, o.waiting+o.arrivals)}
	if r.url, err = h.gate(ctx, addr); err != nil {
		return err
	}
	empty, err := usedMemory(ctx, rdb)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer r.group.Wait()
	defer cancel()
	rng := rand.New(rand.NewPCG(3, 3))
	fmt.Fprintf(os.Stderr, "%d rides begin to wait\n", o.waiting)
	for range o.waiting {
		if err := r.wait(ctx, somewhere(rng)); err != nil {
			return err
		}
	}
	full, err := usedMemory(ctx, rdb)
	if err != nil {
		return err
	}
	var fromSent, fromAnswered []time.Duration
	for n := range o.arrivals {
		driver := somewhere(rng)
		driver.ID = strconv.Itoa(n)
		sent := time.Now()
		if _, err := post(ctx, gate+"/tracking", driver); err != nil {
			return err
		}
		answered := time.Now()
		select {
		case m := <-r.matched:
			if m.err != nil {
				return m.err
			}
			fromSent = append(fromSent, m.at.Sub(sent))
			fromAnswered = append(fromAnswered, max(0, m.at.Sub(answered)))
		case <-time.After(10 * time.Second):
			return fmt.Errorf("driver %d: no rider has learned of a match within 10 s", n)
		}
		if err := r.wait(ctx, somewhere(rng)); err != nil { // so that as many wait as before
			return err
		}
	}
	fmt.Fprintf(out, "\n### From a driver's arrival to the waiting rider's event\n\n%d rides wait, each with an open event stream on one process; %d drivers arrive one after the other at another process; both processes on one core.\n\n", o.waiting, o.arrivals)
	fmt.Fprintln(out, "| until the stream says matched | p50 | p99 | worst |")
	fmt.Fprintln(out, "|---|---|---|---|")
	for _, row := range []struct {
		name string
		took []time.Duration
	}{{"from POST /tracking answered (0 when the stream was first)", fromAnswered}, {"from POST /tracking sent", fromSent}} {
		fmt.Fprintf(out, "| %s | %.2f ms | %.2f ms | %.2f ms |\n", row.name,
			ms(percentile(row.took, 0.5)), ms(percentile(row.took, 0.99)), ms(percentile(row.took, 1)))
	}
	fmt.Fprintf(out, "\nRedis memory per waiting ride: %.0f B.\n\n", (full-empty)/float64(o.waiting))
	return nil
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

// Command endurance keeps a geogate busy that holds a million answers in a container
// of 2.5 GB and one processor: for an hour, hits, misses and purges of random
// questions. It prints, as Markdown, what the process held every five minutes and how
// long the garbage collector stopped it. Everything runs on loopback and ends by
// itself.
//
//	go build -o bin/ ./bench/endurance && taskset -c 1 bin/endurance -geogate bin/geogate
//
// It needs redis-server and taskset on the PATH, 8 GB of memory, two processors, of
// which the container has the first and all else the second, and to be root, for the
// control group that is the container.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/bench/contender"
	"geogate/bench/machine"
	"geogate/internal/pause"
)

type options struct {
	geogate   string
	answers   int
	container int // bytes
	cache     string
	duration  time.Duration
	interval  time.Duration
	rate      int // requests a second
}

// Of a hundred requests, so many ask what nobody has asked, and so many purge; all
// others ask what is known.
const (
	missesIn100 = 8
	purgesIn100 = 2
)

const clients = 32

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to keep busy")
	flag.IntVar(&o.answers, "answers", 1_000_000, "answers in memory when it begins")
	flag.IntVar(&o.container, "container", 2_500_000_000, "memory of the container, in bytes")
	flag.StringVar(&o.cache, "cache", "1976MiB", "CACHE_MEMORY")
	flag.DurationVar(&o.duration, "duration", time.Hour, "how long it lasts, once memory is full")
	flag.DurationVar(&o.interval, "interval", 5*time.Minute, "time between two lines of the table")
	flag.IntVar(&o.rate, "rate", 2000, "requests a second")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := contender.Folder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	origin, stopOrigin, err := contender.StartOrigin(ctx)
	if err != nil {
		return err
	}
	defer stopOrigin()
	redis, stopRedis, err := contender.StartRedis(ctx, dir, "1")
	if err != nil {
		return err
	}
	defer stopRedis()
	g, err := start(ctx, o, origin, redis)
	if err != nil {
		return err
	}
	defer g.stop()

	fmt.Fprintf(out, "%s\n", machine.Describe(ctx, []string{"redis-server", "--version"}))
	began := time.Now()
	if err := g.fill(ctx, o.answers); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d answers asked for once, in %s; CACHE_MEMORY=%s in a container of %d MB and one processor; then %d requests a second for %s, "+
		"%d %% of them misses and %d %% purges.\n\n", o.answers, time.Since(began).Round(time.Second), o.cache, o.container/1_000_000, o.rate, o.duration, missesIn100, purgesIn100)
	return g.endure(ctx, o, out)
}

// gate is the geogate that is kept busy.
type gate struct {
	url    string
	client *http.Client
	cmd    *exec.Cmd
	box    *container
	stops  *stops
	known  atomic.Int64 // questions asked so far
}

func start(ctx context.Context, o options, origin, redis string) (*gate, error) {
	box, err := newContainer(o.container)
	if err != nil {
		return nil, err
	}
	addr, err := contender.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	g := &gate{
		url: "http://" + addr, box: box, stops: &stops{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}, Timeout: 20 * time.Second},
	}
	g.cmd = box.command(ctx, o.geogate)
	g.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "PORT=" + port, "REDIS_URL=redis://" + redis, "UPSTREAMS=nominatim+http://" + origin, "CACHE_MEMORY=" + o.cache,
		"CACHE_TTL=24h", "RATE_LIMIT=0", "ADMIN_TOKEN=endurance", "LOG_LEVEL=error", "GODEBUG=gctrace=1",
	}
	g.cmd.Stderr = g.stops
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start geogate: %w", err)
	}
	if err := machine.AwaitOK(ctx, g.url+"/readyz"); err != nil {
		g.stop()
		return nil, fmt.Errorf("start geogate: %w", err)
	}
	return g, nil
}

func (g *gate) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	_ = g.cmd.Wait()
	g.box.remove()
}

// fill asks each of n questions once.
func (g *gate) fill(ctx context.Context, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clients)
	for range n {
		group.Go(func() error {
			_, err := g.ask(ctx, g.known.Add(1))
			return err
		})
		if ctx.Err() != nil {
			break
		}
	}
	return group.Wait()
}

// ask returns where the answer to a question came from.
func (g *gate) ask(ctx context.Context, n int64) (source string, err error) {
	return g.send(ctx, http.MethodGet, g.url+question(n), nil, http.StatusOK, nil)
}

func question(n int64) string { return fmt.Sprintf("/search?q=place+%d&format=jsonv2", n) }

func (g *gate) purge(ctx context.Context, n int64) error {
	_, err := g.send(ctx, http.MethodPost, g.url+"/admin/purge", fmt.Appendf(nil, `{"query":%q}`, question(n)), http.StatusNoContent, nil)
	return err
}

var heldLine = regexp.MustCompile(`(?m)^geogate_cache_memory_entries (.*)$`)

// held is how many answers are in memory, as geogate estimates it.
func (g *gate) held(ctx context.Context) (string, error) {
	var page strings.Builder
	_, err := g.send(ctx, http.MethodGet, g.url+"/metrics", nil, http.StatusOK, &page)
	if err != nil {
		return "", err
	}
	found := heldLine.FindStringSubmatch(page.String())
	if found == nil {
		return "", errors.New("no geogate_cache_memory_entries in /metrics")
	}
	n, err := strconv.ParseFloat(found[1], 64)
	return fmt.Sprintf("%.0f", n), err
}

func (g *gate) send(ctx context.Context, method, url string, body []byte, want int, page io.Writer) (source string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if page != nil || body != nil {
		req.Header.Set("Authorization", "Bearer endurance")
	}
	res, err := g.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != want {
		problem, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return "", fmt.Errorf("%s %s: status %d, want %d: %s", method, url, res.StatusCode, want, problem)
	}
	if _, err := io.Copy(cmp.Or(page, io.Discard), res.Body); err != nil {
		return "", err
	}
	return res.Header.Get("X-Cache"), nil
}

// endure keeps geogate busy and reports; it fails when memory grew, when the process
// was stopped for too long, or when a request failed.
func (g *gate) endure(ctx context.Context, o options, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g.stops.begin() // those while it was filled are another matter
	book := &book{counts: map[string]int{}}
	var busy sync.WaitGroup
	failed := make(chan error, clients)
	first := time.Now()
	for i := range clients {
		busy.Go(func() {
			if err := g.play(ctx, o, first.Add(time.Duration(i)*time.Second/time.Duration(o.rate)), book); err != nil {
				failed <- err
				cancel()
			}
		})
	}
	fmt.Fprintln(out, "| after | answers in memory | resident, at most since the line above | hits | misses | purges | p50 | p99 | longest |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	var peaks []int
	for at := o.interval; at <= o.duration && ctx.Err() == nil; at += o.interval {
		peaks = append(peaks, g.watch(ctx, time.Until(first.Add(at))))
		held, err := g.held(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s | %s | %d MB | %s |\n", at, held, peaks[len(peaks)-1]/1_000_000, book.turn())
	}
	cancel()
	busy.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Fprintf(out, "\n%s", g.stops)
	return errors.Join(flat(peaks), g.stops.check(), g.box.check())
}

// play sends every clients-th request, each at its time.
func (g *gate) play(ctx context.Context, o options, due time.Time, b *book) error {
	for ; pause.For(ctx, time.Until(due)) == nil; due = due.Add(clients * time.Second / time.Duration(o.rate)) {
		what, err := g.request(ctx, o)
		switch {
		case err == nil:
			b.note(what, time.Since(due))
		case ctx.Err() == nil:
			return err
		}
	}
	return nil
}

// request sends one of a kind that chance chooses, and returns its X-Cache, or "purge".
func (g *gate) request(ctx context.Context, o options) (what string, err error) {
	switch kind := rand.IntN(100); {
	case kind < missesIn100:
		return g.ask(ctx, g.known.Add(1))
	case kind < missesIn100+purgesIn100:
		return "purge", g.purge(ctx, g.random(o))
	}
	return g.ask(ctx, g.random(o))
}

// random is one of the questions asked last, somewhat more than memory holds.
func (g *gate) random(o options) int64 {
	return max(1, g.known.Load()-rand.Int64N(int64(o.answers)*11/10))
}

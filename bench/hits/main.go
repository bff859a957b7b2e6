// Command hits measures how fast a cached answer is served: geogate against
// nginx's proxy_cache, Varnish and a bare net/http handler, with the same body,
// the server on one core and the load generator (wrk) on another, in interleaved
// rounds; and how fast answers are obtained that nobody has asked for before. It
// prints Markdown. Everything runs on loopback and ends by itself.
//
//	go run ./bench/hits -geogate bin/geogate
//
// It needs nginx, varnishd, wrk, taskset and redis-server on the PATH.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/bench/contender"
	"geogate/bench/machine"
)

const (
	serverCore = "0"
	loadCore   = "1"
	path       = "/search?q=vaduz&format=jsonv2"
	ownPath    = "/api?q=vaduz"
)

// options are the flags.
type options struct {
	geogate     string
	beside      string // another binary
	only        *regexp.Regexp
	rounds      int
	duration    time.Duration
	connections int
	bareOnly    string // set in the child that is the bare handler
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to measure")
	flag.StringVar(&o.beside, "beside", "", "another binary, which is measured in the same rounds")
	flag.Func("only", "measure only the bare handler and the servers whose name this expression matches", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, each of which measures every server once")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "length of one measurement")
	flag.IntVar(&o.connections, "connections", 32, "open connections")
	flag.StringVar(&o.bareOnly, "bare", "", "serve the bare handler on this address, and nothing else")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

// A measured server.
type measured struct {
	*contender.Contender
	target string    // path and query
	script string    // file for a script of wrk; empty: target again and again
	lua    string    // the script, with a verb for the number of the round if unseen is set
	unseen bool      // each question is asked once
	rates  []float64 // requests per second
	p99s   []float64 // milliseconds
	costs  []float64 // microseconds of processor time for one request
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.bareOnly != "" {
		return serveBare(ctx, o.bareOnly)
	}
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
	where := contender.Machine(ctx)
	var all []*measured
	var stops []func() // of Redis
	defer func() {
		for _, c := range all {
			c.Stop()
		}
		for _, stop := range stops {
			stop()
		}
	}()
	for i, s := range servers(o) {
		// One each: processes that share a Redis hear what the others store.
		redisAddr, stopRedis, err := contender.StartRedis(ctx, dir, loadCore)
		if err != nil {
			return err
		}
		stops = append(stops, stopRedis)
		target := cmp.Or(s.target, path)
		c, err := contender.Start(ctx, s.name, contender.OnCore(serverCore, s.command(redisAddr)), dir, origin, target)
		if err != nil {
			return err
		}
		m := &measured{Contender: c, target: target, unseen: s.unseen}
		all = append(all, m)
		switch {
		case s.unseen:
			m.lua = unseen
		case s.answers > 0:
			fmt.Fprintf(os.Stderr, "filling: %s\n", s.name)
			if err := fill(ctx, c.Addr, s.answers); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			m.lua = fmt.Sprintf(inTurn, s.answers)
		default:
			continue
		}
		m.script = filepath.Join(dir, fmt.Sprintf("%d.lua", i))
	}
	for round := range o.rounds {
		for _, c := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, c.Name)
			if err := c.measure(ctx, o, round); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
	}
	report(out, o, where, all)
	return nil
}

type server struct {
	name    string
	command func(redisAddr string) contender.Command
	target  string // "": path
	answers int    // asked in turn; 0: one again and again
	unseen  bool   // each question is asked once
}

func servers(o options) []server {
	all := []server{
		{name: "bare net/http handler", command: withoutRedis(func(ctx context.Context, _, addr, _ string) (*exec.Cmd, error) {
			self, err := os.Executable()
			cmd := exec.CommandContext(ctx, self, "-bare", addr)
			cmd.Env = []string{"GOMAXPROCS=1"}
			return cmd, err
		})},
		{name: "nginx proxy_cache", command: withoutRedis(contender.Nginx("proxy_cache_valid 200 1h;"))},
		{name: "Varnish", command: withoutRedis(contender.Varnish("sub vcl_backend_response { set beresp.ttl = 1h; }"))},
		{name: "nginx proxy_cache, 100,000 answers in turn", command: withoutRedis(contender.Nginx("proxy_cache_valid 200 1h;")), answers: 100_000},
		{name: "nginx proxy_cache, misses", command: withoutRedis(contender.Nginx("proxy_cache_valid 200 1h;")), unseen: true},
	}
	all = append(all, geogates("geogate", o.geogate)...)
	if o.beside != "" {
		all = append(all, geogates("beside", o.beside)...)
	}
	return slices.DeleteFunc(all, func(s server) bool { return s.name != all[0].name && o.only != nil && !o.only.MatchString(s.name) })
}

func withoutRedis(c contender.Command) func(string) contender.Command {
	return func(string) contender.Command { return c }
}

// geogates are the ways in which one binary is measured.
func geogates(name, binary string) []server {
	with := func(environment ...string) func(string) contender.Command {
		return func(redisAddr string) contender.Command {
			return contender.Geogate(binary, redisAddr, append(environment, "GOMAXPROCS=1")...)
		}
	}
	// A rate makes each call ask Redis first, even one that is never reached.
	counted := func(redisAddr string) contender.Command {
		return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
			upstreams := "UPSTREAMS=nominatim+http://" + origin + "#rate=1000000/s&burst=1000"
			return contender.Geogate(binary, redisAddr, "GOMAXPROCS=1", upstreams)(ctx, dir, addr, origin)
		}
	}
	return []server{
		{name: name, command: with()},
		{name: name + ", GET /api", command: with(), target: ownPath},
		{name: name + ", FAST_LANE=off", command: with("FAST_LANE=off")},
		// Requests for one answer would share their reads.
		{name: name + ", from Redis, 1,000 answers in turn", command: with("CACHE_MEMORY=0"), answers: 1000},
		{name: name + ", 100,000 answers in turn", command: with("CACHE_MEMORY=1GiB"), answers: 100_000},
		{name: name + ", misses", command: with(), unseen: true},
		{name: name + ", misses within a rate", command: counted, unseen: true},
	}
}

// inTurn is the script of wrk that asks as many questions one after the other.
const inTurn = `
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/search?q=place+" .. n %% %d .. "&format=jsonv2")
end
`

// unseen is the script of wrk that never asks a question twice.
const unseen = `
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/search?q=unseen+%d+" .. n .. "&format=jsonv2")
end
`

// fill asks each of the questions once.
func fill(ctx context.Context, addr string, answers int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for n := range answers {
		group.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/search?q=place+%d&format=jsonv2", addr, n), nil)
			if err != nil {
				return err
			}
			res, err := client.Do(req)
			if err != nil {
				return fmt.Errorf("fill: %w", err)
			}
			_, err = io.Copy(io.Discard, res.Body)
			return errors.Join(err, res.Body.Close())
		})
	}
	return group.Wait()
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

var (
	countLine = regexp.MustCompile(`(\d+) requests in`)
	rateLine  = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	p99Line   = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	badLine   = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

func (c *measured) measure(ctx context.Context, o options, round int) error {
	if c.script != "" {
		lua := c.lua
		if c.unseen {
			lua = fmt.Sprintf(lua, round)
		}
		if err := os.WriteFile(c.script, []byte(lua), 0o600); err != nil {
			return fmt.Errorf("write the script of wrk: %w", err)
		}
	}
	args := []string{"-c", loadCore, "wrk", "-t1", "-c", strconv.Itoa(o.connections), "-d", o.duration.String(), "--latency"}
	if c.script != "" {
		args = append(args, "-s", c.script)
	}
	cmd := exec.CommandContext(ctx, "taskset", append(args, "http://"+c.Addr+c.target)...)
	before, err := c.ProcessorTime()
	if err != nil {
		return err
	}
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk: %w: %s", err, text)
	}
	after, err := c.ProcessorTime()
	if err != nil {
		return err
	}
	if bad := badLine.Find(text); bad != nil {
		return fmt.Errorf("wrk: %s", bad)
	}
	rate, p99, count := rateLine.FindSubmatch(text), p99Line.FindSubmatch(text), countLine.FindSubmatch(text)
	if rate == nil || p99 == nil || count == nil {
		return fmt.Errorf("wrk said nothing of rates: %s", text)
	}
	perSecond, err := strconv.ParseFloat(string(rate[1]), 64)
	if err != nil {
		return err
	}
	latency, err := strconv.ParseFloat(string(p99[1]), 64)
	if err != nil {
		return err
	}
	requests, err := strconv.ParseFloat(string(count[1]), 64)
	if err != nil {
		return err
	}
	c.rates = append(c.rates, perSecond)
	c.costs = append(c.costs, float64((after-before).Microseconds())/requests)
	c.p99s = append(c.p99s, latency*map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(p99[2])])
	return nil
}

func report(out io.Writer, o options, where string, all []*measured) {
	fmt.Fprintf(out, "## A cached answer\n\n%s\n", where)
	fmt.Fprintf(out, "A cached answer of %d bytes, server on core %s, wrk with %d connections on core %s, medians of %d interleaved rounds of %s.\n\n",
		len(contender.Answer()), serverCore, o.connections, loadCore, o.rounds, o.duration)
	fmt.Fprint(out, "The ratio by processor time is what the rates come to where nothing else runs on the server's core; "+
		"on a machine that others use it is the one to look at.\n\n")
	fmt.Fprintln(out, "| server | requests/s | min…max | p99 ms | ratio to bare | processor µs/request | ratio to bare |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	bare, bareCost := median(all[0].rates), median(all[0].costs)
	for _, c := range all {
		fmt.Fprintf(out, "| %s | %.0f | %.0f…%.0f | %.2f | %.2f | %.1f | %.2f |\n", c.Name, median(c.rates),
			slices.Min(c.rates), slices.Max(c.rates), median(c.p99s), median(c.rates)/bare,
			median(c.costs), bareCost/median(c.costs))
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// serveBare answers the body and does nothing else.
func serveBare(ctx context.Context, addr string) error {
	answer := contender.Answer()
	length := strconv.Itoa(len(answer))
	return contender.Serve(ctx, addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(answer)
	}))
}

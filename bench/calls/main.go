// Command calls measures how often a cache asks the geocoder behind it for the
// same traffic, and whether it gives anybody the answer to another question:
// geogate against nginx's proxy_cache and Varnish, with a seeded mix of
// requests as apps send them. It prints Markdown. Everything runs on loopback
// and ends by itself.
//
//	go run ./bench/calls -geogate bin/geogate
//
// It needs nginx, varnishd, taskset and redis-server on the PATH.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"geogate/bench/contender"
	"geogate/bench/machine"
)

// options are the flags.
type options struct {
	geogate   string
	requests  int
	perSecond int
	ttl       time.Duration
	delay     time.Duration
	seed      uint64
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to measure")
	flag.IntVar(&o.requests, "requests", 10_000, "length of the mix")
	flag.IntVar(&o.perSecond, "rate", 1000, "requests a second")
	flag.DurationVar(&o.ttl, "ttl", 4*time.Second, "fresh life of an answer, in whole seconds")
	flag.DurationVar(&o.delay, "delay", 20*time.Millisecond, "time that the geocoder takes")
	flag.Uint64Var(&o.seed, "seed", 1, "of the mix")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

type server struct {
	name    string
	command contender.Command
}

// servers are the caches, each as it comes, and each as somebody sets it up
// who knows that Nominatim answers by Accept-Language and does not say so. All
// of them collapse and may serve stale while they refresh.
func servers(o options, redisAddr string) []server {
	const byLanguage = " proxy_cache_key $request_uri|$http_accept_language;"
	nginx := fmt.Sprintf("proxy_cache_valid 200 %ds; proxy_cache_lock on; proxy_cache_use_stale updating; proxy_cache_background_update on;", int(o.ttl.Seconds()))
	varnish := fmt.Sprintf("sub vcl_backend_response { set beresp.ttl = %ds; set beresp.grace = 1h; }", int(o.ttl.Seconds()))
	life := "CACHE_TTL=" + o.ttl.String()
	return []server{
		{"nginx, as it comes", contender.Nginx(nginx)},
		{"nginx, keyed by language too", contender.Nginx(nginx + byLanguage)},
		{"Varnish, as it comes", contender.Varnish(varnish)},
		{"Varnish, keyed by language too", contender.Varnish(varnish + "\nsub vcl_hash { hash_data(req.http.Accept-Language); }")},
		{"geogate", contender.Geogate(o.geogate, redisAddr, life)},
		{"geogate, reverse by cells of 25 m", contender.Geogate(o.geogate, redisAddr, life, "REVERSE_CELLS=0=25")},
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := contender.Folder()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	where := contender.Machine(ctx)
	geocoder, err := startOrigin(ctx, o.delay)
	if err != nil {
		return err
	}
	defer geocoder.stop()
	mix := newMix(o.seed, o.requests)
	questions := map[string]bool{}
	for _, r := range mix {
		m, err := r.meaning()
		if err != nil {
			return err
		}
		questions[m] = true
	}
	fmt.Fprintf(out, "## Upstream calls\n\n%s\n", where)
	fmt.Fprintf(out, "%d requests at %d/s, seed %d: %d different questions. Answers are fresh for %s and then served stale while they are "+
		"fetched again; the geocoder takes %s. A wrong answer is one to another question than the one asked.\n\n",
		o.requests, o.perSecond, o.seed, len(questions), o.ttl, o.delay)
	fmt.Fprintln(out, "| server | upstream calls per 10,000 requests | wrong answers | no answer | p50 ms | p99 ms |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for i := range servers(o, "") {
		s, name, err := playOne(ctx, o, i, dir, mix, geocoder)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "| %s | %d | %d | %d | %.2f | %.2f |\n", name, s.calls*10_000/int64(len(mix)), s.wrong, s.failed,
			milliseconds(s.quantile(0.5)), milliseconds(s.quantile(0.99)))
	}
	return nil
}

// playOne measures one server alone: started, played to, stopped. Each geogate
// has a Redis of its own.
func playOne(ctx context.Context, o options, i int, dir string, mix []request, geocoder *origin) (*score, string, error) {
	redisAddr, stopRedis, err := contender.StartRedis(ctx, dir, "0-1")
	if err != nil {
		return nil, "", err
	}
	defer stopRedis()
	chosen := servers(o, redisAddr)[i]
	c, err := contender.Start(ctx, chosen.name, chosen.command, dir, geocoder.addr, "/status?format=json")
	if err != nil {
		return nil, chosen.name, err
	}
	defer c.Stop()
	fmt.Fprintln(os.Stderr, "measuring", chosen.name)
	s := play(ctx, "http://"+c.Addr, mix, o.perSecond, geocoder)
	if s.failed > 0 {
		fmt.Fprintf(os.Stderr, "%d requests failed, such as: %v\n", s.failed, s.first)
	}
	return s, chosen.name, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

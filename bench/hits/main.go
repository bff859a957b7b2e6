// Command hits measures how fast a cached answer is served: geogate against
// nginx's proxy_cache, Varnish and a bare net/http handler, with the same body,
// the server on one core and the load generator (wrk) on another, in interleaved
// rounds. It prints Markdown. Everything runs on loopback and ends by itself.
//
//	go run ./bench/hits -geogate bin/geogate
//
// It needs nginx, varnishd, wrk, taskset and redis-server on the PATH.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	serverCore = "0"
	loadCore   = "1"
	path       = "/search?q=vaduz&format=jsonv2"
)

// options are the flags.
type options struct {
	geogate     string
	rounds      int
	duration    time.Duration
	connections int
	bareOnly    string // set in the child that is the bare handler
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, each of which measures every server once")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "length of one measurement")
	flag.IntVar(&o.connections, "connections", 32, "open connections")
	flag.StringVar(&o.bareOnly, "bare", "", "serve the bare handler on this address, and nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hits:", err)
		os.Exit(1)
	}
}

// body is an answer of 1.5 kB, as a search with address details has.
func body() []byte {
	return []byte(`[{"place_id":1,"display_name":"` + strings.Repeat("Vaduz, Liechtenstein ", 70)[:1460] + `"}]`)
}

// A contender is one server that is measured.
type contender struct {
	name    string
	addr    string
	command func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error)
	cmd     *exec.Cmd
	rates   []float64 // requests per second
	p99s    []float64 // milliseconds
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.bareOnly != "" {
		return serveBare(ctx, o.bareOnly)
	}
	dir, err := os.MkdirTemp("", "geogate-bench")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx and Varnish read it as other users
		return fmt.Errorf("open folder: %w", err)
	}
	origin, stopOrigin, err := startOrigin(ctx)
	if err != nil {
		return err
	}
	defer stopOrigin()
	redisAddr, stopRedis, err := startRedis(ctx, dir)
	if err != nil {
		return err
	}
	defer stopRedis()

	all := contenders(o, redisAddr)
	defer func() {
		for _, c := range all {
			c.stop()
		}
	}()
	for _, c := range all {
		if err := c.start(ctx, dir, origin); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for round := range o.rounds {
		for _, c := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, c.name)
			if err := c.measure(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	report(out, o, all)
	return nil
}

func contenders(o options, redisAddr string) []*contender {
	geogate := func(memory string) func(context.Context, string, string, string) (*exec.Cmd, error) {
		return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			logFile, err := os.Create(filepath.Join(dir, "geogate-"+port+".log"))
			if err != nil {
				return nil, err
			}
			cmd := exec.CommandContext(ctx, "taskset", "-c", serverCore, o.geogate)
			cmd.Env = []string{
				"PORT=" + port, "UPSTREAMS=nominatim+http://" + origin, "REDIS_URL=redis://" + redisAddr,
				"CACHE_MEMORY=" + memory, "RATE_LIMIT=1000000000/1m", "GOMAXPROCS=1",
			}
			cmd.Stderr = logFile
			return cmd, nil
		}
	}
	return []*contender{
		{name: "bare net/http handler", command: func(ctx context.Context, _, addr, _ string) (*exec.Cmd, error) {
			self, err := os.Executable()
			cmd := exec.CommandContext(ctx, "taskset", "-c", serverCore, self, "-bare", addr)
			cmd.Env = []string{"GOMAXPROCS=1"}
			return cmd, err
		}},
		{name: "nginx proxy_cache", command: nginx},
		{name: "Varnish", command: varnish},
		{name: "geogate, from memory", command: geogate("64MiB")},
		{name: "geogate, from Redis", command: geogate("0")},
	}
}

// nginx is one worker with a cache and an access log, which geogate writes too.
func nginx(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
	config := fmt.Sprintf(`
worker_processes 1; daemon off; pid %[1]s/nginx.pid; error_log %[1]s/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log %[1]s/nginx-access.log;
  client_body_temp_path %[1]s/nginx-body; proxy_temp_path %[1]s/nginx-proxy;
  proxy_cache_path %[1]s/nginx-cache keys_zone=c:10m;
  keepalive_requests 100000000;
  server {
    listen %[2]s;
    location / { proxy_pass http://%[3]s; proxy_cache c; proxy_cache_valid 200 1h; add_header X-Cache $upstream_cache_status; }
  }
}`, dir, addr, origin)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "taskset", "-c", serverCore, "nginx", "-c", file, "-g", "user root;"), nil
}

func varnish(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
	host, port, err := net.SplitHostPort(origin)
	if err != nil {
		return nil, err
	}
	vcl := fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n"+
		"sub vcl_backend_response { set beresp.ttl = 1h; }\n", host, port)
	file := filepath.Join(dir, "default.vcl")
	if err := os.WriteFile(file, []byte(vcl), 0o644); err != nil { // read by Varnish's own user
		return nil, err
	}
	return exec.CommandContext(ctx, "taskset", "-c", serverCore, "varnishd", "-F", "-n", filepath.Join(dir, "varnish"),
		"-a", addr, "-f", file, "-s", "malloc,64m"), nil
}

func (c *contender) start(ctx context.Context, dir, origin string) error {
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	c.addr = addr
	if c.cmd, err = c.command(ctx, dir, addr, origin); err != nil {
		return err
	}
	var output bytes.Buffer
	if c.cmd.Stderr == nil {
		c.cmd.Stderr = &output
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	// Two requests: the second one is a hit.
	for range 2 {
		if err := await(ctx, "http://"+addr+path); err != nil {
			return fmt.Errorf("%w\n%s", err, output.String())
		}
	}
	return nil
}

func (c *contender) stop() {
	if c.cmd == nil || c.cmd.Process == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

var (
	rateLine = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	p99Line  = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	badLine  = regexp.MustCompile(`Non-2xx or 3xx responses: \d+|Socket errors: .*`)
)

func (c *contender) measure(ctx context.Context, o options) error {
	cmd := exec.CommandContext(ctx, "taskset", "-c", loadCore, "wrk", "-t1", "-c", strconv.Itoa(o.connections),
		"-d", o.duration.String(), "--latency", "http://"+c.addr+path)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk: %w: %s", err, text)
	}
	if bad := badLine.Find(text); bad != nil {
		return fmt.Errorf("wrk: %s", bad)
	}
	rate, p99 := rateLine.FindSubmatch(text), p99Line.FindSubmatch(text)
	if rate == nil || p99 == nil {
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
	c.rates = append(c.rates, perSecond)
	c.p99s = append(c.p99s, latency*map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(p99[2])])
	return nil
}

func report(out io.Writer, o options, all []*contender) {
	fmt.Fprintf(out, "A cached answer of %d bytes, server on core %s, wrk with %d connections on core %s, medians of %d interleaved rounds of %s.\n\n",
		len(body()), serverCore, o.connections, loadCore, o.rounds, o.duration)
	fmt.Fprintln(out, "| server | requests/s | min…max | p99 ms | ratio to bare |")
	fmt.Fprintln(out, "|---|---|---|---|---|")
	bare := median(all[0].rates)
	for _, c := range all {
		fmt.Fprintf(out, "| %s | %.0f | %.0f…%.0f | %.2f | %.2f |\n", c.name, median(c.rates),
			slices.Min(c.rates), slices.Max(c.rates), median(c.p99s), median(c.rates)/bare)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// serveBare answers the body and does nothing else.
func serveBare(ctx context.Context, addr string) error {
	answer := body()
	length := strconv.Itoa(len(answer))
	server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(answer)
	})}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// startOrigin is the geocoder behind every cache.
func startOrigin(ctx context.Context) (addr string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	answer := body()
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(answer)
	})}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), func() { _ = server.Close() }, nil
}

func startRedis(ctx context.Context, dir string) (addr string, stop func(), err error) {
	if addr, err = freeAddr(ctx); err != nil {
		return "", nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", loadCore, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	return addr, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// await asks until there is a good answer, for ten seconds at most.
func await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", res.StatusCode)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		}
	}
}

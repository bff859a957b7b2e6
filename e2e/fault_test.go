package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// slowLine passes on what is said between geogate and Redis, each command as
// late as it is told. It answers no connection any sooner than the server does.
type slowLine struct {
	Addr  string
	delay atomic.Int64
}

func newSlowLine(t *testing.T, server string) *slowLine {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	line := &slowLine{Addr: l.Addr().String()}
	ctx := t.Context()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go line.join(ctx, client, server)
		}
	}()
	return line
}

func (s *slowLine) join(ctx context.Context, client net.Conn, server string) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	redis, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
	if err != nil {
		_ = client.Close()
		return
	}
	context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = redis.Close()
	})
	go func() {
		defer end()
		_, _ = io.Copy(client, redis)
	}()
	commands := make([]byte, 64<<10)
	for {
		n, err := client.Read(commands)
		if err != nil {
			return
		}
		select {
		case <-time.After(time.Duration(s.delay.Load())):
		case <-ctx.Done():
			return
		}
		if _, err := redis.Write(commands[:n]); err != nil {
			return
		}
	}
}

// quantiles of times, for the log of a test.
func quantiles(times []time.Duration) string {
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(q*float64(len(times)-1))].Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p99 %s", at(0.5), at(0.99))
}

// TestUpstreamOutage lets a geocoder fail in every way that has been seen.
// What is cached goes on being answered, stale; the rest is refused in time, and
// nothing of it is stored.
func TestUpstreamOutage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  upstreamtest.Fault
		status int
		code   string
	}{
		// The refresh of the stale answer hears of the pause; nobody asks before it is over.
		{"429 with Retry-After", upstreamtest.Throttled(2), http.StatusServiceUnavailable, "upstream_unavailable"},
		{"500", upstreamtest.Failing(http.StatusInternalServerError), http.StatusServiceUnavailable, "upstream_unavailable"},
		{"hanging", upstreamtest.Hang, http.StatusGatewayTimeout, "upstream_timeout"},
		{"cut off", upstreamtest.Truncated, http.StatusBadGateway, "upstream_invalid"},
		{"HTML with 200", upstreamtest.HTML, http.StatusBadGateway, "upstream_invalid"},
		{"redirecting", upstreamtest.Redirect, http.StatusBadGateway, "upstream_invalid"},
		{"dropping connections", upstreamtest.Reset, http.StatusServiceUnavailable, "upstream_unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			redis, upstream := redistest.Start(t), upstreamtest.New(t)
			g := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+upstream.URL+"#timeout=2s",
				"CACHE_TTL", "1s"))
			wantPlaces(t, g.get(t, cachedQuery), "MISS")
			client := redis.Client(t)
			kept := func() int { return len(client.Keys(t.Context(), "geogate:cache:entry:*").Val()) }

			upstream.SetFault(tt.fault)
			eventually(t, patience, "the answer is stale", func() error {
				if a := g.get(t, cachedQuery); a.Status != http.StatusOK || a.Header.Get("X-Cache") != "STALE" {
					return fmt.Errorf("X-Cache %q, %s", a.Header.Get("X-Cache"), a)
				}
				return nil
			})
			before := kept()
			refused := g.get(t, "/api?q=Monaco")
			p, err := checkProblem(refused, tt.status)
			if err != nil || p.Code != tt.code {
				t.Errorf("an answer that is not cached: %v, code %q, want %d %s", err, p.Code, tt.status, tt.code)
			}
			if refused.Took > 10*time.Second {
				t.Errorf("refused after %s", refused.Took)
			}
			var stale []time.Duration
			for range 200 {
				a := g.get(t, cachedQuery)
				wantPlaces(t, a, "STALE")
				stale = append(stale, a.Took)
			}
			if after := kept(); before == 0 || after > before {
				t.Errorf("%d answers in Redis, %d before: something of a failed answer was kept", after, before)
			}

			upstream.SetFault(upstreamtest.Fault{})
			healed := time.Now()
			eventually(t, patience, "the geocoder is asked again", func() error {
				if a := g.get(t, "/api?q=Monaco"); a.Status != http.StatusOK {
					return errors.New(a.String())
				}
				return nil
			})
			t.Logf("not cached: %d %s after %s; stale: %s; asked again %s after it was well",
				refused.Status, p.Code, refused.Took.Round(time.Millisecond), quantiles(stale), time.Since(healed).Round(time.Millisecond))
		})
	}
}

// TestBothDown takes Redis and the geocoder away at once: what is in memory is
// still answered, everything else is refused in time, and both may come back in
// any order.
func TestBothDown(t *testing.T) {
	t.Parallel()
	redis, upstream := redistest.Start(t), upstreamtest.New(t)
	g := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+upstream.URL))
	wantPlaces(t, g.get(t, cachedQuery), "MISS")

	redis.Stop()
	upstream.SetFault(upstreamtest.Reset)
	var cached []time.Duration
	for range 200 {
		a := g.get(t, cachedQuery)
		wantPlaces(t, a, "HIT")
		cached = append(cached, a.Took)
	}
	refused := g.get(t, "/api?q=Monaco")
	if _, err := checkProblem(refused, http.StatusServiceUnavailable); err != nil || refused.Took > 5*time.Second {
		t.Errorf("an answer that is not cached: %v after %s", err, refused.Took)
	}
	g.wantUnavailable(t)

	upstream.SetFault(upstreamtest.Fault{})
	redis.Restart(t)
	healed := time.Now()
	g.awaitRedis(t, "up")
	g.awaitDispatch(t)
	eventually(t, patience, "the geocoder is asked again", func() error {
		if a := g.get(t, "/api?q=Monaco"); a.Status != http.StatusOK {
			return errors.New(a.String())
		}
		return nil
	})
	t.Logf("cached: %s; not cached: %d after %s; all well %s after both were",
		quantiles(cached), refused.Status, refused.Took.Round(time.Millisecond), time.Since(healed).Round(time.Millisecond))
	if strings.Contains(g.Stderr.String(), "panic") {
		t.Error("something panicked")
	}
}

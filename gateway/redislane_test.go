package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"geogate/cache"
	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/trace"
)

// serveFromRedis serves a gateway without memory that has the answer to Vaduz in Redis, and
// expects to find it there.
func serveFromRedis(t *testing.T, options ...func(*gateway.Config)) (f *gatewaytest.Fixture, addr string, stop func() error) {
	t.Helper()
	f = gatewaytest.NewWithCache(t, func(c *cache.Config) { c.Memory = 0 }, options...)
	for range 20 {
		f.Do(t, "GET "+gatewaytest.Vaduz, "")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- f.Gateway.Serve(ctx, l) }()
	stop = func() error {
		end()
		err := <-served
		served <- err
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return f, l.Addr().String(), stop
}

// waiting sends a request on c whose answer waits for Redis.
func waiting(t *testing.T, f *gatewaytest.Fixture, c net.Conn) {
	t.Helper()
	asynctest.Eventually(t, "those before are through", func() bool { return f.Gateway.UnderWay() == 0 })
	if _, err := io.WriteString(c, "GET "+gatewaytest.Vaduz+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	asynctest.Eventually(t, "the request is under way", func() bool { return f.Gateway.UnderWay() == 1 })
}

func wantHit(t *testing.T, c net.Conn) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || len(body) == 0 || res.Header.Get("X-Cache") != string(cache.Hit) {
		t.Errorf("%s, %s, %d bytes, %v, want a hit", res.Status, res.Header.Get("X-Cache"), len(body), err)
	}
}

// A drain waits for an answer of the fast lane that waits for Redis.
func TestDrainWaitsForTheLane(t *testing.T) {
	f, addr, stop := serveFromRedis(t)
	c := dialFrom(t, "127.0.0.1", addr)
	ask(t, c, "/version")
	f.Redis.Pause(t)
	waiting(t, f, c)
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	asynctest.Eventually(t, "the drain has begun", func() bool { return !f.Gateway.Ready() })
	f.Redis.Resume(t)
	wantHit(t, c)
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v, want a clean drain", err)
	}
}

// A connection on which the fast lane waits for Redis does not make room for a new one:
// one that waits for its client does, though it has waited less long.
func TestLaneAtWorkMakesNoRoom(t *testing.T) {
	f, addr, _ := serveFromRedis(t, func(c *gateway.Config) { c.MaxConnections, c.ConnsEach = 100, 2 })
	busy, idle := dialFrom(t, "127.0.0.2", addr), dialFrom(t, "127.0.0.2", addr)
	ask(t, busy, "/version")
	ask(t, idle, "/version")
	f.Redis.Pause(t)
	waiting(t, f, busy)
	ask(t, dialFrom(t, "127.0.0.2", addr), "/version")
	f.Redis.Resume(t)
	wantHit(t, busy)
	if status := ask(t, busy, "/version"); status != http.StatusOK {
		t.Errorf("status %d on the connection that was at work", status)
	}
	if err := idle.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v on the idle connection, want its end", n, err)
	}
}

// The round trip to Redis belongs in the trace of the request, which the handlers begin.
func TestLaneLeavesWhatIsInRedisToTraces(t *testing.T) {
	f, addr, _ := serveFromRedis(t, func(c *gateway.Config) {
		c.Tracer = trace.New(trace.Config{URL: "http://127.0.0.1:1", Service: "geogate"})
	})
	c := dialFrom(t, "127.0.0.1", addr)
	for range 20 {
		if status := ask(t, c, gatewaytest.Vaduz); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
	}
	if n := f.LaneAnswers(t); n != 0 {
		t.Errorf("the lane answered %d requests", n)
	}
}

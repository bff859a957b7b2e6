package fastlane_test

import (
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
)

const (
	plainHit   = "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\n\r\n"
	ownHit     = "GET /api?q=Vaduz HTTP/1.1\r\nHost: x\r\n\r\n"
	ownPoint   = "GET /api?lat=47.14&lon=9.52 HTTP/1.1\r\nHost: x\r\n\r\n"
	ownNothing = "GET /api?q=nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
	ownNoPlace = "GET /api?lat=1&lon=1 HTTP/1.1\r\nHost: x\r\n\r\n"
)

func TestFastLaneIsNetHTTP(t *testing.T) {
	l := newLanes(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 10_000, Per: time.Hour} })
	for _, tt := range laneCases {
		t.Run(tt.name, func(t *testing.T) {
			l.compareUntil(t, tt.sent, tt.answered)
		})
	}
}

// A client above its limit is told so by net/http, and counted once.
func TestFastLaneObeysTheLimit(t *testing.T) {
	for range tries { // net/http may have all of them, see compareUntil
		l := newLanes(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 8, Per: time.Hour} })
		// Two misses went before. /version is not counted.
		l.compare(t, plainHit+plainHit, 0)
		l.compare(t, strings.Repeat(plainHit, 7), 0)
		l.compare(t, plainHit, 0)
		n := l.with.answered(t)
		if n > 6 {
			t.Errorf("the lane answered %d requests, want some of the 6 that the limit of 8 leaves", n)
		}
		if n > 0 {
			return
		}
	}
	t.Error("the lane answered nothing")
}

// What the lane leaves to net/http counts as one answer of the cache, not as two.
func TestFastLaneCountsOnce(t *testing.T) {
	l := newLanes(t, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: 6, Per: time.Hour} })
	const refusedByNominatim = "GET /reverse?lat=1&lon=1&zoom=x HTTP/1.1\r\nHost: x\r\n\r\n"
	l.compare(t, refusedByNominatim+refusedByNominatim, 0)
	l.compare(t, strings.Repeat(plainHit, 4), 0) // half of them are above the limit
	with, without := l.with.Geocoder.Cache().Stats(), l.without.Geocoder.Cache().Stats()
	if with.HitsMemory != without.HitsMemory || with.Misses != without.Misses {
		t.Errorf("with the fast lane %d hits and %d misses, net/http alone %d and %d",
			with.HitsMemory, with.Misses, without.HitsMemory, without.Misses)
	}
}

// The log line of an answer is the same, but for what is new each time.
func TestFastLaneLogs(t *testing.T) {
	l := newLanes(t)
	lines := func(side *lane) string {
		side.Log.Reset()
		side.exchange(t, plainHit, 0)
		return regexp.MustCompile(`"(request_id|query|dur_ms)":("[^"]*"|[\d.e-]+)`).ReplaceAllString(side.Log.String(), `"$1":`)
	}
	want := lines(l.without)
	for range tries {
		if got := lines(l.with); got != want {
			t.Errorf("with the fast lane:\n%s\nnet/http alone:\n%s", got, want)
		}
		if l.with.answered(t) > 0 {
			return
		}
	}
	t.Error("the lane answered nothing")
}

// Bytes that came with the request before are net/http's, and so is what they
// belong to: the lane must not take the rest for a request of its own.
func TestFastLaneKnowsWhatIsLeftOver(t *testing.T) {
	l := newLanes(t)
	for _, sent := range []string{plainHit, "X" + plainHit, "XY" + plainHit, "XYZ" + plainHit, plainHit + plainHit} {
		for _, early := range []int{1, 2, 3, 4, 5, len(sent) - 1, len(sent)} {
			before := l.with.answered(t)
			l.compare(t, sent, early)
			if n := l.with.answered(t) - before; n != 0 {
				t.Errorf("%d bytes of %q came early: the lane answered %d requests, want none", early, sent, n)
			}
		}
	}
}

// Requests in pieces: the lane takes what came whole and leaves the rest.
func TestFastLaneInPieces(t *testing.T) {
	l := newLanes(t)
	for _, cut := range []int{1, len(plainHit) - 1, len(plainHit), len(plainHit) + 1, 2*len(plainHit) - 2} {
		c, answers := l.with.dial(t)
		sent := plainHit + plainHit
		for _, piece := range []string{sent[:cut], sent[cut:] + last} {
			if _, err := io.WriteString(c, piece); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(answers)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(got), "HTTP/1.1 200 OK\r\n"); n != 3 {
			t.Errorf("cut at %d: %d answers, want 3:\n%s", cut, n, got)
		}
	}
}

// A connection goes to and fro between the lane and net/http.
func TestFastLaneTakesConnectionsBack(t *testing.T) {
	l := newLane(t)
	l.exchange(t, plainHit, 0)
	c, answers := l.dial(t)
	for _, sent := range []string{
		"GET /search?q=elsewhere HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
	} {
		for n := 0; ; n++ {
			before := l.answered(t)
			for _, request := range []string{sent, plainHit, plainHit} {
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				if err := skipAnswer(answers); err != nil {
					t.Fatal(err)
				}
			}
			if l.answered(t) > before {
				break
			}
			if n == tries {
				t.Fatalf("the lane did not answer the hits after %q", sent)
			}
		}
	}
}

// Behind a proxy, the limit counts the clients, not the proxy.
func TestFastLaneBehindAProxy(t *testing.T) {
	l := newLanes(t, func(c *gateway.Config) {
		c.TrustedProxies = 1
		c.RateLimit = gateway.RateLimit{Requests: 3, Per: time.Hour}
	})
	before := l.with.answered(t)
	for range 2 {
		for _, client := range []string{"192.0.2.1", "spoofed, 192.0.2.2", "2001:db8::1", "2001:db8::2", "nonsense"} {
			l.compare(t, strings.Replace(plainHit, "\r\n\r\n", "\r\nX-Forwarded-For: "+client+"\r\n\r\n", 1), 0)
		}
	}
	// The last counts by the socket, whose two misses leave it one.
	if n := l.with.answered(t) - before; n < 1 || n > 2+2+3+1 {
		t.Errorf("the lane answered %d requests, want some of 2, 2, 3 for the two of one subscriber, and 1", n)
	}
}

func TestFastLaneSnapsToCells(t *testing.T) {
	l := newLanes(t, func(c *gateway.Config) { c.ReverseCells = []gateway.Cell{{MinZoom: 0, Metres: 500}} })
	const reverse = "GET /reverse?lat=47.14&lon=9.52&format=jsonv2 HTTP/1.1\r\nHost: x\r\n\r\n"
	l.compare(t, reverse, 0)
	l.compareUntil(t, reverse, 1)
}

// Many requests at once are all answered, in as many writes as it takes.
func TestFastLaneAnswersManyAtOnce(t *testing.T) {
	l := newLane(t)
	l.exchange(t, plainHit, 0)
	c, answers := l.dial(t)
	const n = 2000 // more than the lane gathers
	go func() { _, _ = io.WriteString(c, strings.Repeat(plainHit, n)) }()
	for i := range n {
		if err := skipAnswer(answers); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}

// A drain ends an idle connection of the lane at once, as net/http does its own.
func TestFastLaneDrains(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "GET "+gatewaytest.Vaduz, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- f.Gateway.Serve(ctx, l) }()
	c, answers := (&lane{f, l.Addr().String()}).dial(t)
	if _, err := io.WriteString(c, plainHit); err != nil {
		t.Fatal(err)
	}
	if err := skipAnswer(answers); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v, want a clean drain", err)
	}
	if _, err := io.ReadAll(answers); err != nil {
		t.Errorf("the idle connection: %v, want it closed", err)
	}
}

// Time limits begin anew with each request, whoever answers it: after more hits than
// 5*time.Second has seconds, a request that takes its time is still taken in.
func TestFastLaneKeepsTime(t *testing.T) {
	t.Parallel()
	l := newLane(t)
	l.exchange(t, plainHit, 0)
	c, answers := l.dial(t)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	send := func(bytes string) {
		t.Helper()
		<-tick.C
		if _, err := io.WriteString(c, bytes); err != nil {
			t.Fatal(err)
		}
	}
	for began := time.Now(); time.Since(began) < 5*time.Second+time.Second; {
		send(plainHit)
		if err := skipAnswer(answers); err != nil {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
	}
	send("POST /search HTTP/1.1\r\n")
	send("Host: x\r\nContent-Length: 17\r\nConnection: close\r\n\r\n")
	send(`{"lat":1,`)
	send(`"lng":2}`)
	got, err := io.ReadAll(answers)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 OK") {
		t.Errorf("got %q, %v, want the answer to a slow request", got, err)
	}
}

// A panic ends the connection, and nothing else.
func TestFastLanePanics(t *testing.T) {
	l := newLane(t)
	c, answers := l.dial(t)
	*l.Geocoder = gateway.Geocoder{} // seen by whoever reads what is sent after this
	if _, err := io.WriteString(c, plainHit); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(answers); len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 500") {
		t.Errorf("got %q, %v, want nothing, or what net/http makes of it", got, err)
	}
	l.dial(t) // /version, on another connection
	asynctest.Eventually(t, "the log tells of the panic", func() bool { return strings.Contains(l.Log.String(), "panicked") })
}

// Whatever is sent, both sides send back the same bytes.
func FuzzFastLane(f *testing.F) {
	for _, tt := range laneCases {
		f.Add(tt.sent, 0, true)
		if tt.answered > 0 {
			f.Add(tt.sent, 0, false)
		}
	}
	inMemory, inRedis := newLanes(f), newLanesOver(f, inRedisOnly)
	f.Fuzz(func(t *testing.T, sent string, early int, memory bool) {
		if len(sent) > 64<<10 || strings.Contains(sent, "/v2/") || strings.Contains(sent, "/readyz") {
			t.Skip("ids, and states of each side's own")
		}
		l := inMemory
		if !memory {
			l = inRedis
			l.expectHits(t)
		}
		l.compare(t, sent, max(0, min(early, len(sent))))
	})
}

package fastlane_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"geogate/cache"
	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// inRedisOnly makes every hit one in Redis.
func inRedisOnly(c *cache.Config) { c.Memory = 0 }

// expectHits makes both sides forget that they have missed something lately: then they
// expect nothing in Redis, and the lane leaves more to the handlers.
func (l lanes) expectHits(t testing.TB) {
	t.Helper()
	for _, side := range []*lane{l.with, l.without} {
		side.exchange(t, strings.Repeat(plainHit, 20), 0)
	}
}

// What the table says of hits in memory holds for hits in Redis, too.
func TestFastLaneIsNetHTTPWithoutMemory(t *testing.T) {
	l := newLanesOver(t, inRedisOnly)
	for _, tt := range laneCases {
		if tt.answered == 0 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			for range tries {
				l.expectHits(t)
				before := l.with.answered(t)
				if l.compare(t, tt.sent, 0); l.with.answered(t)-before >= tt.answered || t.Failed() {
					return
				}
			}
			t.Errorf("the lane never answered %d of the requests", tt.answered)
		})
	}
}

// reads are the round trips to Redis that looked for an answer.
func (l *lane) reads(t testing.TB) (n int) {
	t.Helper()
	for _, m := range reads.FindAllStringSubmatch(l.Figures(t), -1) {
		count, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}

var reads = regexp.MustCompile(`(?m)^geogate_cache_redis_duration_seconds_count\{failed="\w+",op="(?:get|look|lease)"\} (\d+)$`)

// Hits, misses and reads of Redis are counted as without the lane.
func TestFastLaneCountsHitsInRedis(t *testing.T) {
	l := newLanesOver(t, inRedisOnly)
	for range tries {
		l.expectHits(t)
		l.compare(t, strings.Repeat(plainHit+ownHit, 10), 0)
		with, without := l.with.Geocoder.Cache().Stats(), l.without.Geocoder.Cache().Stats()
		if with.HitsRedis != without.HitsRedis || with.Misses != without.Misses || l.with.reads(t) != l.without.reads(t) {
			t.Fatalf("with the fast lane %d hits, %d misses, %d reads, net/http alone %d, %d, %d",
				with.HitsRedis, with.Misses, l.with.reads(t), without.HitsRedis, without.Misses, l.without.reads(t))
		}
		if l.with.answered(t) > 0 {
			return
		}
	}
	t.Error("the lane answered nothing")
}

// Redis hears nothing of those who are above their limit.
func TestFastLaneSparesRedisTheRefused(t *testing.T) {
	const limit = 100
	l := newLaneOver(t, inRedisOnly, func(c *gateway.Config) { c.RateLimit = gateway.RateLimit{Requests: limit, Per: time.Hour} })
	c, answers := l.dial(t)
	ask := func(n int) {
		t.Helper()
		for range n {
			if _, err := io.WriteString(c, plainHit); err != nil {
				t.Fatal(err)
			}
			if err := skipAnswer(answers); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(limit)
	if l.answered(t) == 0 {
		t.Error("the lane answered nothing")
	}
	before := l.reads(t)
	if ask(20); before == 0 || l.reads(t) != before {
		t.Errorf("%d reads within the limit, and %d of those above it, want none", before, l.reads(t)-before)
	}
}

// An answer that is there does not wait for the next one, and they come in order.
func TestFastLaneSendsBeforeItWaits(t *testing.T) {
	f := gatewaytest.New(t)
	for _, target := range []string{gatewaytest.Vaduz, gatewaytest.Vaduz + "&accept-language=de"} {
		f.Do(t, "GET "+target, "")
	}
	l := &lane{f.Sibling(t), ""}
	l.addr = l.Serve(t)
	l.exchange(t, plainHit, 0) // from now on it is in memory, and the other is not
	second := "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept-Language: de\r\nX-Request-Id: second\r\n\r\n"
	c, answers := l.dial(t)
	before := l.reads(t)
	l.Redis.Pause(t)
	if _, err := io.WriteString(c, strings.Replace(plainHit, "\r\n\r\n", "\r\nX-Request-Id: first\r\n\r\n", 1)+second); err != nil {
		t.Fatal(err)
	}
	if id := idOf(t, answers); id != "first" || l.reads(t) != before {
		t.Errorf("got %q after %d reads, want the first while Redis stands still", id, l.reads(t)-before)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if b, err := answers.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v while Redis stands still", b, err)
	}
	l.Redis.Resume(t)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if id := idOf(t, answers); id != "second" {
		t.Errorf("got %q, want the second", id)
	}
}

func idOf(t testing.TB, answers *bufio.Reader) string {
	t.Helper()
	id := ""
	for {
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "X-Request-Id":
			id = value
		case "Content-Length":
			size, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = answers.Discard(size) }()
		case "":
			return id
		}
	}
}

// A Redis that hangs costs a request one read, whoever makes it.
func TestFastLaneSharesItsTimeForRedis(t *testing.T) {
	l := newLaneOver(t, func(c *cache.Config) { c.Memory, c.RedisBudget = 0, 300*time.Millisecond })
	l.exchange(t, strings.Repeat(plainHit, 20), 0)
	c, answers := l.dial(t)
	l.Redis.Pause(t)
	defer l.Redis.Resume(t)
	before := l.reads(t)
	if _, err := io.WriteString(c, plainHit); err != nil {
		t.Fatal(err)
	}
	if err := skipAnswer(answers); err != nil {
		t.Fatal(err)
	}
	if n := l.reads(t) - before; n > 1 {
		t.Errorf("%d reads for one answer", n)
	}
}

// Whoever goes away while the lane waits for Redis leaves nothing behind.
func TestFastLaneOutlivesThoseWhoLeave(t *testing.T) {
	l := newLaneOver(t, inRedisOnly)
	l.exchange(t, strings.Repeat(plainHit, 20), 0)
	var left []net.Conn
	for range 10 {
		c, _ := l.dial(t)
		left = append(left, c)
	}
	l.Redis.Pause(t)
	for _, c := range left {
		if _, err := io.WriteString(c, plainHit); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	l.Redis.Resume(t)
	if got := l.exchange(t, plainHit, 0); !strings.Contains(got, "; detail=redis\r\n") {
		t.Errorf("got %q, want a hit in Redis", got)
	}
}

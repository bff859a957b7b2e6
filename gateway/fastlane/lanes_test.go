package fastlane_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"geogate/cache"
	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// lanes are two gateways of the same state, one with the fast lane.
type lanes struct {
	with, without *lane
	parted        *bool // a breaker was open: one side may keep answers that the other has not
}

type lane struct {
	*gatewaytest.Fixture
	addr string
}

func newLanes(t testing.TB, options ...func(*gateway.Config)) lanes {
	t.Helper()
	return newLanesOver(t, nil, options...)
}

// newLanesOver is newLanes with caches that adjust has changed.
func newLanesOver(t testing.TB, adjust func(*cache.Config), options ...func(*gateway.Config)) lanes {
	t.Helper()
	l := lanes{
		parted:  new(bool),
		with:    newLaneOver(t, adjust, options...),
		without: newLaneOver(t, adjust, append(options, func(c *gateway.Config) { c.FastLane = false })...),
	}
	for _, side := range []*lane{l.with, l.without} {
		for _, target := range []string{gatewaytest.Vaduz, gatewaytest.Vaduz + "&accept-language=de"} {
			side.exchange(t, "GET "+target+" HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n", 0)
		}
	}
	return l
}

// newLane serves a gateway as main does.
func newLane(t testing.TB, options ...func(*gateway.Config)) *lane {
	t.Helper()
	return newLaneOver(t, nil, options...)
}

func newLaneOver(t testing.TB, adjust func(*cache.Config), options ...func(*gateway.Config)) *lane {
	t.Helper()
	f := gatewaytest.NewWithCache(t, adjust, options...)
	return &lane{f, f.Serve(t)}
}

// last makes the server close the connection behind what was sent before.
const last = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// first is answered by net/http on every connection.
const first = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"

// exchange sends first with the beginnings of what follows, which is mostly
// nothing, awaits its answer, sends the rest and last, and returns everything
// that comes back until the server closes the connection or says nothing more for
// several pauses in a row: a machine that stands still makes one of them.
func (l *lane) exchange(t testing.TB, sent string, early int) string {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, first+sent[:early]); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	if err := skipAnswer(answers); err != nil {
		t.Fatalf("answer to the first request: %v", err)
	}
	go func() { _, _ = io.WriteString(c, sent[early:]+last) }()
	var got strings.Builder
	for silent := 0; silent < pauses; {
		_ = c.SetReadDeadline(time.Now().Add(pauseOf))
		switch n, err := io.Copy(&got, answers); {
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return got.String() // a reset after the answer is what net/http does to those who go on sending
		case n > 0:
			silent = 0
		default:
			silent++
		}
	}
	return got.String() + "[waits for more]"
}

func skipAnswer(r *bufio.Reader) error {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close())
}

// Whoever says nothing for so many pauses says nothing more.
const (
	pauses  = 8
	pauseOf = 400 * time.Millisecond
)

// answered is how many answers came from the lane.
func (l *lane) answered(t testing.TB) int {
	t.Helper()
	return l.LaneAnswers(t)
}

// changing is what differs between two answers to the same request: each side
// stored its own, at another moment.
var changing = regexp.MustCompile(`(?m)^(Date|X-Request-Id|X-Ratelimit-Reset|Age): .*$|^X-Cache: (?:HIT|STALE)\r$|max-age=\d+|ttl=-?\d+; detail=\w+|"instance":"[^"]*"`)

func masked(s string) string { return changing.ReplaceAllString(s, "$1") }

const missed = "fwd=uri-miss"

func (l lanes) compare(t testing.TB, sent string, early int) {
	t.Helper()
	want, got := masked(l.without.exchange(t, sent, early)), masked(l.with.exchange(t, sent, early))
	if strings.Contains(want+got, `"code":50`) {
		*l.parted = true
		return // the geocoder's breaker opens and closes on each side at its own time
	}
	if *l.parted && strings.Count(got, missed) != strings.Count(want, missed) {
		// Only one side has kept an answer. Now both have.
		want, got = masked(l.without.exchange(t, sent, early)), masked(l.with.exchange(t, sent, early))
	}
	if got != want {
		t.Errorf("answers to %q\n--- with the fast lane:\n%s\n--- net/http alone:\n%s", sent, got, want)
	}
}

// compareUntil compares until the lane answers as many of the requests as it
// should, and never more. A client may be so quick that net/http, which listens
// until it has sent an answer whether the client is still there, has the first byte
// of its next request; then all of them are net/http's.
func (l lanes) compareUntil(t testing.TB, sent string, answered int) {
	t.Helper()
	n := -1
	for try := range tries {
		before := l.with.answered(t)
		l.compare(t, strings.ReplaceAll(sent, unasked, fmt.Sprint(unasked, try)), 0) // a miss is a hit the next time
		if n = l.with.answered(t) - before; n >= answered || t.Failed() {
			break
		}
	}
	if n != answered {
		t.Errorf("the lane answered %d requests, want %d", n, answered)
	}
}

const tries = 20

// dial opens a connection of which net/http has answered the first request.
func (l *lane) dial(t testing.TB) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	if err := skipAnswer(answers); err != nil {
		t.Fatal(err)
	}
	return c, answers
}

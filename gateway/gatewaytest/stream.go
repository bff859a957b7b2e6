package gatewaytest

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Block is one block of a stream: an event, a hint or a comment.
type Block struct {
	ID, Event, Data string
	Retry           bool
	Comment         bool
}

// Stream is what a client sees of a stream of server-sent events.
type Stream struct {
	Status int
	Header http.Header
	Blocks <-chan Block // closed when the stream ends
	Leave  context.CancelFunc
}

// Open opens the stream at target, which ends with the test; headers are lines.
func (f *Fixture) Open(t testing.TB, target string, headers ...string) Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", f.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		if name, value, found := strings.Cut(h, ": "); found {
			req.Header.Set(name, value)
		}
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) //nolint:bodyclose // closed where it is read
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(chan Block, 64)
	go func() {
		defer close(blocks)
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		var b Block
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case lines.Text() == "":
				select {
				case blocks <- b:
				case <-ctx.Done(): // nobody reads on
					return
				}
				b = Block{}
			case strings.HasPrefix(lines.Text(), ":"):
				b.Comment = true
			case name == "id":
				b.ID = value
			case name == "event":
				b.Event = value
			case name == "data":
				b.Data = value
			case name == "retry":
				b.Retry = true
			}
		}
	}()
	return Stream{res.StatusCode, res.Header, blocks, cancel}
}

// NextEvent skips hints and comments. It fails when the stream ends.
func NextEvent(t testing.TB, blocks <-chan Block) Block {
	t.Helper()
	for {
		select {
		case b, open := <-blocks:
			if !open {
				t.Fatal("the stream has ended")
			}
			if b.Event != "" && b.Event != "position" {
				return b
			}
		case <-time.After(patience):
			t.Fatalf("no event within %s", patience)
		}
	}
}

// Rest collects what comes until the stream ends by itself.
func Rest(t testing.TB, blocks <-chan Block) []Block {
	t.Helper()
	var all []Block
	deadline := time.After(patience)
	for {
		select {
		case b, open := <-blocks:
			if !open {
				return all
			}
			all = append(all, b)
		case <-deadline:
			t.Fatalf("the stream goes on after %+v", all)
		}
	}
}

// EventsOf names the events among blocks but positions, "3 matched" for one. Of a ride's revision it
// gives the version.
func EventsOf(blocks []Block) []string {
	var seen []string
	for _, b := range blocks {
		if b.Event != "" && b.Event != "position" {
			version, _, _ := strings.Cut(b.ID, "-")
			seen = append(seen, version+" "+b.Event)
		}
	}
	return seen
}

// Eventually polls until condition returns nil.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s: %v", patience, what, err)
		}
	}
}

package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"geogate/internal/identity"
	"geogate/internal/pause"
)

const (
	// DefaultMaxStreams bounds what streams may cost a process: each holds a
	// connection and some 50 KiB, 87 KiB with the built-in Redis, so all of them
	// 100 to 175 MiB.
	DefaultMaxStreams = 2048
	// DefaultMaxStreamsPerClient bounds what one client may hold of that.
	DefaultMaxStreamsPerClient = 256
	// defaultHeartbeat keeps a silent stream open: Heroku's router closes
	// connections on which nothing was sent for 55 s.
	defaultHeartbeat = 15 * time.Second
	// streamWriteTimeout is how long a client may not read before its stream
	// ends.
	streamWriteTimeout = 10 * time.Second
	// reconnectAfter is the pause that clients are told to make, give or take a
	// half: a process that stops sends them all away at once.
	reconnectAfter = time.Second
	// recheckEvery is how soon a stream notices that the credential of its client
	// was revoked or has expired.
	recheckEvery = 2 * time.Second
	// storePause is the pause between two looks while the store is away.
	storePause = time.Second
)

// ErrStoreAway is what a Next returns while Redis does not answer. The stream
// outlives the outage: a browser that is answered 503 would not come again by
// itself.
var ErrStoreAway = errors.New("the store is away")

var errTooManyStreams = NewProblem(http.StatusServiceUnavailable, "too_many_streams",
	"as many event streams are open as this geogate allows").WithHint(pollInstead)

var errTooManyStreamsOfClient = NewProblem(http.StatusTooManyRequests, "too_many_streams",
	"this client has as many event streams open as one may").WithHint(pollInstead)

const pollInstead = "poll GET /v2/requests/{id}?wait=20s meanwhile"

// Streams are the event streams of a process and the other requests that wait
// for something to happen. They end when the process drains. Safe for concurrent
// use.
type Streams struct {
	shares    *Shares
	heartbeat time.Duration
	valid     func(*identity.Caller) error // nil: every caller stays who they are
	draining  context.Context              //nolint:containedctx // ends when streams and waits have to
}

// NewStreams returns none, of which at most so many may be open, and each client
// at most so many of them; 0: the defaults. heartbeat is the longest silence of a
// stream; 0: 15 s. Streams and waits end with draining, and streams when valid
// returns an error for who has opened them.
func NewStreams(draining context.Context, most, each int, heartbeat time.Duration, valid func(*identity.Caller) error) *Streams {
	return &Streams{
		shares:    NewShares(cmp.Or(most, DefaultMaxStreams), cmp.Or(each, DefaultMaxStreamsPerClient)),
		heartbeat: cmp.Or(heartbeat, defaultHeartbeat),
		valid:     valid,
		draining:  draining,
	}
}

// Open is how many streams are open.
func (s *Streams) Open() int64 { return s.shares.Held() }

// Await returns a context that ends after at most so long, and when the process
// drains.
func (s *Streams) Await(ctx context.Context, atMost time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	stop := context.AfterFunc(s.draining, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Next returns what to send next on a stream, and whether that is the last. It
// waits for it until ctx ends, and then returns "", which keeps the stream going.
type Next func(ctx context.Context) (events string, last bool, err error)

// Serve answers r with a stream of server-sent events (HTML standard, 9.2): a
// hint when to come back, opening, and what next returns, until that was the
// last, the client goes or the process drains.
func (s *Streams) Serve(w http.ResponseWriter, r *http.Request, opening string, next Next) error {
	closed, err := s.shares.Take(Of(r).Counted())
	switch {
	case errors.Is(err, ErrShareTaken):
		return errTooManyStreamsOfClient
	case err != nil:
		return errTooManyStreams
	}
	defer closed()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx and its imitators would collect the events
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := s.follow(r.Context(), Of(r).Caller, &stream{w: w, control: http.NewResponseController(w)}, opening, next); err != nil {
		Of(r).Failure = err // the answer has begun: only the log can be told
	}
	return nil
}

func (s *Streams) follow(ctx context.Context, caller *identity.Caller, out *stream, opening string, next Next) error {
	if err := out.send(retryHint() + opening); err != nil {
		return err
	}
	for {
		until := out.last.Add(s.heartbeat)
		if s.valid != nil && caller != nil && caller.Credential != "" {
			if s.valid(caller) != nil {
				return out.send(": the credential has ended\n\n")
			}
			if recheck := time.Now().Add(recheckEvery); recheck.Before(until) {
				until = recheck
			}
		}
		events, last, err := s.await(ctx, until, next)
		if err != nil {
			return err
		}
		if events != "" {
			if err := out.send(events); err != nil {
				return err
			}
		}
		switch {
		case last, ctx.Err() != nil:
			return nil //nolint:nilerr // a client that goes away is how streams end
		case s.draining.Err() != nil:
			return out.send(retryHint() + ": stopping\n\n")
		case time.Since(out.last) >= s.heartbeat:
			if err := out.send(":\n\n"); err != nil {
				return err
			}
		}
	}
}

// await calls next, which may wait until the next heartbeat is due.
func (s *Streams) await(ctx context.Context, until time.Time, next Next) (events string, last bool, err error) {
	ctx, cancel := s.Await(ctx, time.Until(until))
	defer cancel()
	events, last, err = next(ctx)
	if errors.Is(err, ErrStoreAway) {
		_ = pause.For(ctx, storePause) // whatever ends it, the stream looks again
		return "", false, nil
	}
	return events, last, err
}

// stream writes events to one client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    time.Time // when something was sent
}

// send writes text and does not return before it is on its way. The server's
// time limit is for whole answers; here every piece has its own.
func (s *stream) send(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamWriteTimeout)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	s.last = time.Now()
	return nil
}

// Event formats one event. data must not contain a line break.
func Event(id, kind string, data []byte) string {
	return fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", id, kind, data)
}

func retryHint() string {
	after := reconnectAfter/2 + rand.N(reconnectAfter)
	return fmt.Sprintf("retry: %d\n", after.Milliseconds())
}

// LastVersion is the version of a thing that the client of a stream saw last;
// 0: none. The query may hold other things that the client's library put there.
func LastVersion(r *http.Request) (int64, error) {
	query, err := LooseParameters(r.URL)
	if err != nil {
		return 0, err
	}
	value := LastEventID(r, query)
	if value == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(value, 10, 64)
	if err != nil || version < 0 {
		return 0, BadRequest("invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream").
			WithHint("leave it out to begin with the present state")
	}
	return version, nil
}

// LastEventID is the id of the event that a client saw last, "" when it names
// none. Browsers send a header when they come again; libraries that cannot set
// one use the query.
func LastEventID(r *http.Request, query url.Values) string {
	if value := strings.TrimSpace(r.Header.Get("Last-Event-ID")); value != "" {
		return value
	}
	if value := query.Get("last_event_id"); value != "" {
		return value
	}
	return query.Get("lastEventId") // what the common polyfill calls it
}

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"geogate/dispatch"
)

const (
	// defaultMaxStreams bounds what streams may cost a process: each holds a
	// connection and some 30 KiB.
	defaultMaxStreams = 4096
	// heartbeat keeps a silent stream open: Heroku's router closes connections
	// on which nothing was sent for 55 s.
	heartbeat = 15 * time.Second
	// streamWriteTimeout is how long a client may not read before its stream
	// ends.
	streamWriteTimeout = 10 * time.Second
	// reconnectAfter is the pause that clients are told to make, give or take a
	// half: a process that stops sends them all away at once.
	reconnectAfter = time.Second
	// storePause is the pause between two looks while Redis does not answer.
	storePause = time.Second
)

// streams counts the streams that are open.
type streams struct {
	open atomic.Int64
	most int64
}

func (s *streams) enter() error {
	if s.open.Add(1) > s.most {
		s.open.Add(-1)
		return errTooManyStreams
	}
	return nil
}

func (s *streams) leave() { s.open.Add(-1) }

// stream opens a stream and ends it when follow returns.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request, follow func(context.Context, *eventStream) error) error {
	if err := g.streams.enter(); err != nil {
		return err
	}
	defer g.streams.leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx and those who copy it would collect the events
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	s := &eventStream{w: w, control: http.NewResponseController(w)}
	if err := follow(r.Context(), s); err != nil {
		exchangeOf(r).err = err // the answer has begun: only the log can be told
	}
	return nil
}

// rideEvents is a stream of server-sent events (HTML standard, 9.2): the
// present state of a ride first, then each change, in order and without a gap,
// until the ride has ended.
//
// A client that has seen some of it names the last version that it got, and
// goes on from there. One that has seen the end gets 204, which is how the
// standard tells a browser not to come again.
func (g *Gateway) rideEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	seen, err := lastEventID(r)
	if err != nil {
		return err
	}
	ride, err := g.engine.Ride(r.Context(), id)
	if err != nil {
		return fmt.Errorf("stream ride: %w", err)
	}
	exchangeOf(r).rideID = ride.ID
	if seen > ride.Version { // Redis has lost what the client saw
		seen = 0
	}
	if seen == ride.Version && ride.State.Ended() {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return g.stream(w, r, func(ctx context.Context, s *eventStream) error { return g.follow(ctx, s, id, seen) })
}

// follow sends the versions of a ride after seen.
func (g *Gateway) follow(ctx context.Context, s *eventStream, id string, seen int64) error {
	if err := s.send(retryHint() + "\n"); err != nil {
		return err
	}
	for {
		until, cancel := g.awaiting(ctx, time.Until(s.last.Add(g.heartbeat)))
		rides, err := g.engine.Changes(until, id, seen)
		switch {
		case errors.Is(err, dispatch.ErrUnavailable):
			// A stream outlives an outage: a browser that is answered 503
			// would not come again by itself.
			pause(until, storePause)
		case err != nil:
			cancel()
			return fmt.Errorf("follow ride: %w", err)
		}
		cancel()
		for _, ride := range rides {
			if err := s.send(rideEvent(ride)); err != nil {
				return err
			}
			if seen = ride.Version; ride.State.Ended() {
				return nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the client has gone away, which is how streams end
		case g.draining.Err() != nil:
			return s.send(retryHint() + ": stopping\n\n")
		case time.Since(s.last) >= g.heartbeat:
			if err := s.send(":\n\n"); err != nil {
				return err
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// eventStream writes events to one client.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    time.Time // when something was sent
}

// send writes text and does not return before it is on its way. The server's
// time limit is for answers that are whole at some time; here every piece has
// its own.
func (s *eventStream) send(text string) error {
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

func rideEvent(ride dispatch.Ride) string {
	data, err := json.Marshal(newWireRide(ride))
	if err != nil { // strings, numbers and times always encode
		panic(err)
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", ride.Version, ride.State, data)
}

func retryHint() string {
	after := reconnectAfter/2 + rand.N(reconnectAfter)
	return fmt.Sprintf("retry: %d\n", after.Milliseconds())
}

// lastEventID is the version that a client saw last; 0: none. Browsers send a
// header when they come again; libraries that cannot set one use the query,
// which may hold other things of theirs.
func lastEventID(r *http.Request) (int64, error) {
	query, err := ownQuery(r.URL)
	if err != nil {
		return 0, err
	}
	value := strings.TrimSpace(r.Header.Get("Last-Event-ID"))
	if value == "" {
		value = lastEventIDParameter(query)
	}
	if value == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(value, 10, 64)
	if err != nil || version < 0 {
		return 0, badRequest("invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream").
			withHint("leave it out, to begin with the present state")
	}
	return version, nil
}

func lastEventIDParameter(query url.Values) string {
	if value := query.Get("last_event_id"); value != "" {
		return value
	}
	return query.Get("lastEventId") // what the common polyfill calls it
}

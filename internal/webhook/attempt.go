package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"geogate/internal/trace"
)

// maxDrain is how much of an answer is read, and thrown away, so that the connection
// can be used again. A longer answer costs its sender the connection.
const maxDrain = 4 << 10

// attempt tries once to deliver. It returns nil when sending was cut short by the end
// of this process, which says nothing about the endpoint.
func (s *Sender) attempt(sending context.Context, c claim) *result {
	ctx, cancel := context.WithTimeout(sending, s.cfg.Timeout)
	defer cancel()
	ctx, span := trace.Start(trace.With(ctx, s.cfg.Tracer.Resume(c.event.Trace)), trace.Producer, "deliver "+c.event.Type)
	defer span.End()
	started := time.Now()
	status, after, err := s.post(ctx, c, started)
	if err != nil && sending.Err() != nil {
		return nil
	}
	tried := Tried{Took: time.Since(started)}
	r := &result{Subscriber: c.subscriber, Event: c.event.ID, Pause: -1}
	switch {
	case err != nil:
		r.Error = wordFor(err)
		tried.Outcome = r.Error
	case status >= 200 && status <= 299:
		r.OK = true
		tried.Outcome = "delivered"
	default:
		r.Error = "status " + strconv.Itoa(status)
		r.Gone = status == http.StatusGone
		tried.Outcome = "refused"
	}
	s.cfg.Observe(tried)
	span.Set("geogate.event_id", c.event.ID)
	span.Set("geogate.subscriber", c.subscriber)
	span.SetNumber("geogate.attempt", int64(c.failures)+1)
	if status > 0 {
		span.SetNumber("http.response.status_code", int64(status))
	}
	span.Fail(r.Error)
	if !r.OK {
		if pause, again := s.cfg.Retries.pause(c.failures + 1); again {
			r.Pause = max(pause, after).Milliseconds()
		}
		if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
			r.Hold = after.Milliseconds()
		}
	}
	line, err := json.Marshal(loggedAttempt{
		Attempt: Attempt{Status: status, Error: r.Error},
		At:      started.UnixMilli(), Took: tried.Took.Milliseconds(),
	})
	if err == nil { // numbers and fixed words always encode
		r.Log = string(line)
	}
	s.cfg.Log.Debug().Str("subscriber", c.subscriber).Str("event", c.event.ID).Int("status", status).
		Str("error", r.Error).Bool("gone", r.Gone).Msg("delivery attempted")
	return r
}

// post sends one signed request and returns the status of the answer, and how long
// Retry-After asks to wait. Nothing else of the answer is looked at.
func (s *Sender) post(ctx context.Context, c claim, now time.Time) (status int, after time.Duration, err error) {
	body := c.event.Body()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.cfg.UserAgent)
	if parent := trace.Header(ctx); parent != "" {
		req.Header.Set(trace.HeaderName, parent)
	}
	if err := sign(req.Header, c.event.ID, now, body, c.secrets...); err != nil {
		return 0, 0, err
	}
	res, err := s.guard.roundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	// The status is the answer; a body that hangs or breaks changes nothing about it.
	_, _ = io.CopyN(io.Discard, res.Body, maxDrain)
	_ = res.Body.Close()
	return res.StatusCode, retryAfter(res.Header.Get("Retry-After"), now), nil
}

// retryAfter reads the header, seconds or a date; 0 stands for absent or nonsense.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter)
	}
	return 0
}

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = 24 * time.Hour

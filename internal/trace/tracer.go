package trace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"geogate/internal/pause"
)

const (
	// maxQueue is how many spans wait to be sent: 4 MiB. More are dropped.
	maxQueue = 4096
	// maxBatch is how many spans go into one request.
	maxBatch = 512
	// sendTimeout bounds one request to a collector.
	sendTimeout = 10 * time.Second
	// maxAttempts is how often a batch is tried before it is given up.
	maxAttempts = 3
	// maxRetryAfter bounds how long a collector may ask to wait.
	maxRetryAfter = 30 * time.Second
	// partingTimeout bounds what is still sent when the process ends.
	partingTimeout = 2 * time.Second
	// maxAnswer is how much of a collector's answer is read, in bytes.
	maxAnswer = 64 << 10
	// troubleEvery is how often the log tells of a collector that fails.
	troubleEvery = time.Minute
	// defaultEvery is the pause between requests unless spans fill one before.
	defaultEvery = 5 * time.Second
)

// Config says whom a Tracer sends to.
type Config struct {
	URL     string      // of the collector's traces, http or https
	Header  http.Header // credentials, for one
	Sampler Sampler
	Every   time.Duration // 0: 5 s

	Service, Version, Instance string // of this process

	Log zerolog.Logger
}

// Tracer makes scopes and sends spans. It is safe for concurrent use. A nil one makes
// scopes that pass on what came, and no spans.
type Tracer struct {
	cfg    Config
	client *http.Client
	queue  chan *Span

	sent, dropped, failed atomic.Uint64
	troubles              rate.Sometimes // only Run's
}

// New returns a tracer that sends nothing until Run.
func New(cfg Config) *Tracer {
	cfg.Every = cmp.Or(cfg.Every, defaultEvery)
	transport := &http.Transport{ // no proxy: where spans go is decided by the URL alone
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: sendTimeout,
		MaxIdleConns:          1,
		IdleConnTimeout:       time.Minute,
	}
	return &Tracer{
		cfg: cfg, queue: make(chan *Span, maxQueue), troubles: rate.Sometimes{Interval: troubleEvery},
		client: &http.Client{
			Transport: transport, Timeout: sendTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Stats counts spans since the start of the process.
type Stats struct {
	Sent    uint64 // a collector took them
	Dropped uint64 // there was no room
	Failed  uint64 // the collector failed, or refused them
}

// Stats returns what has become of spans so far.
func (t *Tracer) Stats() Stats {
	return Stats{t.sent.Load(), t.dropped.Load(), t.failed.Load()}
}

// Begin returns the scope of a request that came with this traceparent, or without
// one. With a nil tracer that is the caller's own place in the trace.
func (t *Tracer) Begin(traceparent string) Scope {
	parent := Parse(traceparent)
	if t == nil {
		return Scope{Context: parent}
	}
	s := Scope{Context: parent.child(), tracer: t, parent: parent.span}
	s.sampled = t.cfg.Sampler.wants(parent, s.Context)
	return s
}

// Resume returns the scope of what was stored with this traceparent, which a Begin made
// or passed on: its decision about spans stands. Nothing stored: the zero Scope.
func (t *Tracer) Resume(traceparent string) Scope {
	return Scope{Context: Parse(traceparent), tracer: t}
}

func (t *Tracer) take(s *Span) {
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
	}
}

// Run sends spans until ctx ends, then what is left, and returns nil. A collector that
// hangs or fails costs nothing but its spans.
func (t *Tracer) Run(ctx context.Context) error {
	defer t.client.CloseIdleConnections()
	tick := time.NewTicker(t.cfg.Every)
	defer tick.Stop()
	batch := make([]*Span, 0, maxBatch)
	for {
		select {
		case s := <-t.queue:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			t.part(context.WithoutCancel(ctx), batch)
			return nil
		}
		if len(batch) > 0 && t.deliver(ctx, batch) {
			clear(batch)
			batch = batch[:0]
		}
	}
}

// Probe sends no spans, and tells why the collector does not take them. It is for a tracer
// that does not run.
func (t *Tracer) Probe(ctx context.Context) error {
	defer t.client.CloseIdleConnections()
	return t.send(ctx, nil)
}

// part sends what is left when the process ends.
func (t *Tracer) part(ctx context.Context, batch []*Span) {
	ctx, cancel := context.WithTimeout(ctx, partingTimeout)
	defer cancel()
	for {
		for len(batch) < maxBatch && len(t.queue) > 0 {
			batch = append(batch, <-t.queue)
		}
		if len(batch) == 0 {
			return
		}
		if err := t.send(ctx, batch); err != nil {
			t.failed.Add(uint64(len(batch) + len(t.queue)))
			t.cfg.Log.Warn().Err(err).Msg("last spans not sent")
			return
		}
		batch = batch[:0]
	}
}

// deliver sends a batch, several times if the collector is in trouble that may pass. It
// reports whether it is done with it: not when ctx has ended before.
func (t *Tracer) deliver(ctx context.Context, batch []*Span) bool {
	pauses := pause.NewGrowing(time.Second, 10*time.Second)
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 {
			wait := pauses.Next()
			if busy, ok := errors.AsType[*busyError](err); ok {
				wait = max(wait, busy.after)
			}
			if pause.For(ctx, wait) != nil {
				return false
			}
		}
		if err = t.send(ctx, batch); err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if _, refused := errors.AsType[*refusedError](err); refused {
			break
		}
	}
	t.failed.Add(uint64(len(batch)))
	t.troubles.Do(func() { t.cfg.Log.Warn().Err(err).Msg("collector of traces takes no spans, they are dropped") })
	return true
}

// refusedError is that of a collector that would say the same again.
type refusedError struct{ status int }

func (e *refusedError) Error() string { return "status " + strconv.Itoa(e.status) }

// busyError is that of a collector that asks to come again.
type busyError struct {
	status int
	after  time.Duration
}

func (e *busyError) Error() string { return "status " + strconv.Itoa(e.status) }

func (t *Tracer) send(ctx context.Context, batch []*Span) error {
	body, err := t.encode(batch)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("malformed URL")
	}
	maps.Copy(req.Header, t.cfg.Header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "geogate/"+t.cfg.Version)
	res, err := t.client.Do(req)
	if err != nil {
		if broken, ok := errors.AsType[*url.Error](err); ok {
			err = broken.Err // without the URL
		}
		return fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // the status is the answer
	switch status := res.StatusCode; {
	case status >= 200 && status <= 299:
		t.accepted(len(batch), text)
		return nil
	case status == http.StatusTooManyRequests || status == http.StatusBadGateway ||
		status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16)
		return &busyError{status, min(time.Duration(seconds)*time.Second, maxRetryAfter)}
	default:
		return &refusedError{status}
	}
}

// accepted counts a batch that the collector took, wholly or in part.
func (t *Tracer) accepted(n int, answer []byte) {
	var said exportAnswer
	rejected := 0
	if json.Unmarshal(answer, &said) == nil {
		if count, err := said.PartialSuccess.RejectedSpans.Int64(); err == nil {
			rejected = int(min(max(0, count), int64(n)))
		}
	}
	t.sent.Add(uint64(n - rejected))
	t.failed.Add(uint64(rejected))
}

// Package geogate is a client of geogate, the caching gateway in front of geocoders
// with driver dispatch. It repeats what may be repeated, requests a ride once however
// often it has to be sent, and follows event streams through lost connections. It has
// no dependencies.
//
// Ride, Position and the other types are those of geogate's description
// (docs/openapi.yaml); Call reaches what has no method of its own.
package geogate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultRetries      = 4
	defaultLongestPause = time.Minute
	// maxAnswer bounds the answers that are decoded, in bytes.
	maxAnswer = 64 << 20
)

// Client is a client of one geogate. Set its fields before the first call; after that
// it is safe for concurrent use. BaseURL is required.
type Client struct {
	// BaseURL is where geogate is, such as https://geo.example.org.
	BaseURL string
	// Token returns a key or token; nil: none is sent. It is called for each attempt,
	// so it may renew what has expired.
	Token func(context.Context) (string, error)
	// HTTP sends the requests; nil: http.DefaultClient. It must not limit the time of
	// whole answers when streams are followed.
	HTTP *http.Client
	// Retries is how often a request is repeated after a failure that may pass; 0: 4
	// times, below 0: never. Streams come back for ever.
	Retries int
	// LongestPause bounds the pause between two attempts, whatever Retry-After says;
	// 0: a minute.
	LongestPause time.Duration
}

// Error is an answer that is not a success.
type Error struct {
	StatusCode int
	// Problem is what geogate says. It is empty when something in between answered.
	Problem Problem
}

// Error implements error.
func (e *Error) Error() string {
	if e.Problem.Code == "" {
		return fmt.Sprintf("geogate answered %d", e.StatusCode)
	}
	return fmt.Sprintf("geogate answered %d %s: %s", e.StatusCode, e.Problem.Code, e.Problem.Detail)
}

// Code is the code of the problem that an error is about, "" for other errors.
func Code(err error) string {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Problem.Code
	}
	return ""
}

// Option adjusts one call.
type Option func(*call)

// Repeatable says that a POST may be repeated after a failure that leaves open whether
// it was carried out. Other methods always are.
func Repeatable() Option { return func(c *call) { c.repeatable = true } }

// IdempotencyKey is sent with every attempt, which makes a request repeatable.
func IdempotencyKey(key string) Option {
	return func(c *call) {
		c.header.Set("Idempotency-Key", key)
		c.repeatable = true
	}
}

type call struct {
	method, target string
	header         http.Header
	body           []byte
	repeatable     bool
}

// Call sends a request to a path with its query, in as JSON unless it is nil, and
// decodes the answer into out unless that is nil. It returns an *Error for an answer
// that is not a success.
func (c *Client) Call(ctx context.Context, method, target string, in, out any, options ...Option) error {
	req := call{method: method, target: target, header: http.Header{}, repeatable: method != http.MethodPost}
	for _, option := range options {
		option(&req)
	}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		req.body = body
		req.header.Set("Content-Type", "application/json")
	}
	for attempt := 0; ; attempt++ {
		wait, err := c.attempt(ctx, req, attempt, out)
		if err == nil || wait < 0 || attempt >= c.retries() {
			return err
		}
		if stopped := pause(ctx, wait); stopped != nil {
			return errors.Join(stopped, err)
		}
	}
}

// attempt sends a request once. wait is when to send it again after err, below 0: it
// must not be.
func (c *Client) attempt(ctx context.Context, req call, attempt int, out any) (wait time.Duration, err error) {
	wait = -1
	res, err := c.send(ctx, req)
	if err != nil {
		if req.repeatable && ctx.Err() == nil {
			wait = c.pauseAfter(nil, attempt)
		}
		return wait, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		// 429: nothing has happened yet.
		if res.StatusCode == http.StatusTooManyRequests || req.repeatable && passes(res.StatusCode) {
			wait = c.pauseAfter(res, attempt)
		}
		return wait, refusal(res)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		if req.repeatable && ctx.Err() == nil {
			wait = c.pauseAfter(nil, attempt)
		}
		return wait, fmt.Errorf("read answer: %w", err)
	}
	if out == nil || len(body) == 0 {
		return wait, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return wait, fmt.Errorf("decode answer: %w", err)
	}
	return wait, nil
}

// unbounded is the client of those who bring none. The contexts of calls bound them:
// streams last.
var unbounded http.Client

func (c *Client) send(ctx context.Context, req call) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, req.method, strings.TrimRight(c.BaseURL, "/")+req.target, bytes.NewReader(req.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header = req.header.Clone()
	if c.Token != nil {
		token, err := c.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	client := c.HTTP
	if client == nil {
		client = &unbounded
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask geogate: %w", err)
	}
	return res, nil
}

func (c *Client) retries() int {
	if c.Retries == 0 {
		return defaultRetries
	}
	return max(0, c.Retries)
}

// passes reports whether the same request may succeed after such an answer.
func passes(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// refusal is the error of an answer that is not a success.
func refusal(res *http.Response) *Error {
	refused := &Error{StatusCode: res.StatusCode}
	_ = json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&refused.Problem) // empty when geogate did not answer
	return refused
}

// pauseAfter is how long to wait after a failure: as long as Retry-After says, else
// longer each time. All whom one failure has hit must not come back at once.
func (c *Client) pauseAfter(res *http.Response, attempt int) time.Duration {
	longest := c.LongestPause
	if longest == 0 {
		longest = defaultLongestPause
	}
	if res != nil {
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			return min(longest, time.Duration(seconds)*time.Second+rand.N(500*time.Millisecond))
		}
	}
	step := min(15*time.Second, 250*time.Millisecond<<min(attempt, 10))
	return min(longest, step/2+rand.N(step))
}

// pause waits, and returns the error of ctx when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package simulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// callTimeout is above the longest wait that is asked for.
	callTimeout = 25 * time.Second
	waitAsked   = "15s"
	maxAnswer   = 1 << 20 // bytes of an answer that are read
)

// client talks to the geogates that the user named, now to one and now to
// another as behind a load balancer, and to nobody else: it follows no redirect
// and uses no proxy.
type client struct {
	bases  []string
	http   *http.Client
	limit  *rate.Limiter
	began  time.Time
	record func(Record)

	requests atomic.Int64
	mu       sync.Mutex
	errors   map[string]int // by request and what went wrong
}

func newClient(bases []string, perSecond int, record func(Record)) *client {
	return &client{
		bases: bases,
		http: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: 10 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
		limit:  rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/10)),
		began:  time.Now(),
		record: record,
		errors: map[string]int{},
	}
}

func (c *client) now() int64 { return time.Since(c.began).Microseconds() }

// reachTimeout bounds how long a geogate may take to say that it is there.
const reachTimeout = 5 * time.Second

// reach returns an error unless a geogate answers at each base URL.
func (c *client) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	var errs []error
	for _, base := range c.bases {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/healthz", http.NoBody)
		if err != nil {
			return fmt.Errorf("simulate: %w", err)
		}
		res, err := c.http.Do(req)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("simulate: nobody answers: %w", err))
		case res.StatusCode != http.StatusOK:
			errs = append(errs, fmt.Errorf("simulate: %s answers /healthz with %d: is that a geogate?", base, res.StatusCode))
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
	return errors.Join(errs...)
}

// ride is what the simulation needs of a ride on the wire.
type ride struct {
	RequestID string `json:"request_id"`
	State     string `json:"state"`
	Version   int64  `json:"version"`
	Driver    *struct {
		ID string `json:"id"`
	} `json:"driver"`
	Code string `json:"code"` // of a problem
}

func (r ride) driver() string {
	if r.Driver == nil {
		return ""
	}
	return r.Driver.ID
}

// request is one call.
type request struct {
	method, path string
	body         any
	header       map[string]string
	route        string // for the count of errors
	accepted     []int  // statuses that are no errors
}

// answer is what came of a call. Status 0: nothing.
type answer struct {
	status     int
	body       []byte
	sent, done int64
	retryAfter time.Duration
	etag       string
}

// open sends a request when the rate allows, and counts what goes wrong.
func (c *client) open(ctx context.Context, r request) (*http.Response, int64, error) {
	if err := c.limit.Wait(ctx); err != nil {
		return nil, 0, fmt.Errorf("wait for the rate: %w", err)
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, 0, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	base := c.bases[rand.IntN(len(c.bases))]
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, body)
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	for name, value := range r.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.requests.Add(1)
	sent := c.now()
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			c.failed(r.route, "no answer")
		}
		return nil, sent, fmt.Errorf("send request: %w", err)
	}
	return res, sent, nil
}

// call sends a request and reads the whole answer.
func (c *client) call(ctx context.Context, r request) answer {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, sent, err := c.open(bounded, r)
	if err != nil {
		if ctx.Err() == nil && bounded.Err() != nil && sent > 0 {
			c.failed(r.route, "timed out")
		}
		return answer{sent: sent, done: c.now()}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	a := answer{status: res.StatusCode, body: body, sent: sent, done: c.now(), etag: res.Header.Get("ETag")}
	if err != nil {
		c.failed(r.route, "cut off")
		a.status = 0
		return a
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	if a.status == http.StatusOK || slices.Contains(r.accepted, a.status) {
		return a
	}
	var problem ride
	_ = json.Unmarshal(body, &problem) // other bodies have no code
	c.failed(r.route, strings.TrimSpace(strconv.Itoa(a.status)+" "+problem.Code))
	return a
}

func (c *client) failed(route, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors[route+": "+how]++
}

// rideCall makes a call that is answered with a ride, and records it. fill adds
// what the answer does not tell.
func (c *client) rideCall(ctx context.Context, op string, r request, fill Record) (ride, answer) {
	a := c.call(ctx, r)
	var got ride
	if a.status != 0 {
		_ = json.Unmarshal(a.body, &got) // a 304 has no body
	}
	rec := fill
	rec.Op, rec.Sent, rec.Done, rec.Status = op, a.sent, a.done, a.status
	if got.RequestID != "" {
		rec.Ride, rec.Version, rec.Driver = got.RequestID, got.Version, got.driver()
	}
	rec.State = got.State
	if a.sent > 0 {
		c.record(rec)
	}
	return got, a
}

// events follows a ride's event stream and calls see for each version, until
// that returns false or the stream ends.
func (c *client) events(ctx context.Context, id string, see func(ride) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, sent, err := c.open(ctx, request{method: http.MethodGet, path: "/v2/requests/" + id + "/events", route: "GET /v2/requests/{id}/events"})
	if err != nil {
		return
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		c.failed("GET /v2/requests/{id}/events", strconv.Itoa(res.StatusCode))
		return
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxAnswer)
	kind := ""
	for lines.Scan() {
		if name, found := strings.CutPrefix(lines.Text(), "event: "); found {
			kind = name
		}
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found || kind == "position" { // where the driver is, no version of the ride
			continue
		}
		var got ride
		if err := json.Unmarshal([]byte(data), &got); err != nil {
			c.failed("GET /v2/requests/{id}/events", "unreadable event")
			return
		}
		// An event is as true as an answer to a question sent when the stream was.
		c.record(Record{
			Op: OpSee, Sent: sent, Done: c.now(), Status: http.StatusOK,
			Ride: got.RequestID, State: got.State, Version: got.Version, Driver: got.driver(),
		})
		if !see(got) {
			return
		}
	}
}

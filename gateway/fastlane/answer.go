package fastlane

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
)

// answer is what it takes to make an answer. Nothing in it outlives that, so all
// of it is reused for the next one.
type answer struct {
	conn     *conn
	out      []byte
	start    time.Time
	request  request
	exchange exchange.Exchange
	limits   header
	dated    int64 // the second that date stands for
	date     []byte
	wait     func() bool // mayWait
	failed   error       // of what was sent before a wait
}

var answers = sync.Pool{New: func() any {
	a := &answer{limits: header{http.Header{}}}
	a.wait = a.mayWait
	return a
}}

// make appends to out the answer to the request that unread begins with, and
// returns the length of the request. 0: nothing has happened, and net/http shall
// answer.
func (a *answer) make(unread []byte) (size int) {
	a.start = time.Now()
	c, r, ex := a.conn, &a.request, &a.exchange
	*ex = exchange.Exchange{}
	if size = r.parse(unread, c.lane.Sources); size == 0 {
		return 0
	}
	if r.forwardedFor == "" && c.lane.Proxies.Trusted() {
		return 0 // it came past the proxies, which the handlers tell of
	}
	if ex.Caller = c.lane.Caller(r.credential); ex.Caller == nil {
		return 0
	}
	hit, held := r.source(ex, r.query, r.language, a.wait, func(res cache.Result) bool {
		if res.Status != http.StatusOK {
			return false
		}
		ex.Client = c.client(r.forwardedFor)
		clear(a.limits.fields)
		// A client that is refused has not been counted: the handlers refuse it.
		return !c.lane.Limits.Refuses(a.limits, ex.Client, ex.Caller)
	})
	if !held {
		return 0
	}
	ex.RequestID = exchange.RequestID(r.id)
	ex.Recorder.Status = hit.Status
	a.write(&hit)
	c.lane.Answered(ex, r.path, time.Since(a.start))
	return size
}

// mayWait reports whether the request may wait for Redis. Answers that are there do not
// wait with it.
func (a *answer) mayWait() bool {
	ex := &a.exchange
	ex.Client = a.conn.client(a.request.forwardedFor)
	if a.conn.lane.Limits.Exhausted(ex.Client, ex.Caller) {
		return false // the handlers refuse it, and Redis hears nothing of it
	}
	a.failed = a.conn.send(a)
	return a.failed == nil
}

// write appends the answer to out, with the header in net/http's order.
func (a *answer) write(hit *exchange.Hit) {
	ex := &a.exchange
	ex.Freshness.Set(&hit.Result)
	a.out = append(a.out, "HTTP/1.1 200 OK\r\n"...)
	field := func(name, value string) {
		a.out = append(append(append(append(a.out, name...), ": "...), value...), "\r\n"...)
	}
	field("Access-Control-Allow-Origin", exchange.EveryPage[0])
	field("Access-Control-Expose-Headers", exchange.Exposed[0])
	field("Age", ex.Freshness.Age[0])
	field("Cache-Control", ex.Freshness.CacheControl[0])
	field("Cache-Status", ex.Freshness.CacheStatus[0])
	body := hit.Body
	switch z := a.gzip(hit); {
	case hit.Envelope != nil:
		field("Content-Length", strconv.Itoa(hit.Envelope.Len()))
		field("Content-Type", exchange.JSON)
		field("Etag", hit.Envelope.ETag)
	case z != nil:
		a.out = z.AppendHeader(a.out)
		body = z.Body
	default:
		a.out = hit.AppendHeader(a.out)
	}
	field("Referrer-Policy", exchange.NoReferrer[0])
	field("Vary", exchange.VariesBy[0])
	field("X-Cache", ex.Cache)
	if hit.Cell != "" {
		field("X-Cache-Cell", hit.Cell)
	}
	field("X-Content-Type-Options", exchange.Nosniff[0])
	for _, name := range [...]string{exchange.RateHeaders.Limit, exchange.RateHeaders.Remaining, exchange.RateHeaders.Reset} {
		if values := a.limits.fields[name]; len(values) > 0 {
			field(name, values[0])
		}
	}
	field("X-Request-Id", ex.RequestID)
	if second := a.start.Unix(); second != a.dated {
		a.dated = second
		a.date = append(a.start.UTC().AppendFormat(append(a.date[:0], "Date: "...), http.TimeFormat), crlfcrlf...)
	}
	a.out = append(a.out, a.date...)
	head := len(a.out)
	if hit.Envelope != nil {
		a.out = hit.Envelope.AppendTo(a.out)
	} else {
		a.out = append(a.out, body...)
	}
	ex.Recorder.Bytes = int64(len(a.out) - head)
}

// gzip is the stored body in gzip, if that is what goes out.
func (a *answer) gzip(hit *exchange.Hit) *cache.Gzipped {
	if hit.Envelope != nil || !exchange.AcceptsGzip(a.request.encodings[:]) {
		return nil
	}
	return hit.Gzip()
}

// header takes the header fields of the limiter.
type header struct{ fields http.Header }

func (h header) Header() http.Header       { return h.fields }
func (header) WriteHeader(int)             {}
func (header) Write(p []byte) (int, error) { return len(p), nil }

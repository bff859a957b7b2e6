package gateway

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"geogate/cache"
	"geogate/upstream"
)

// laneListener gives net/http connections with a fast lane (ADR 0070).
type laneListener struct {
	net.Listener
	gateway *Gateway
}

func (l laneListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	return &laneConn{TCPConn: tcp, gateway: l.gateway, peer: l.gateway.clientAddr(&http.Request{RemoteAddr: c.RemoteAddr().String()})}, nil
}

// laneConn is a connection of net/http's that answers by itself what is plainest
// and most frequent: GETs of Nominatim's endpoints that are hits in memory. It
// does so inside of Read, at the one moment when net/http has nothing to say:
// between two requests, with all answers sent and no byte left over. Whatever it
// does not know to the letter it returns from Read, as if it had not looked.
// Connections, time limits, keep-alive and the drain remain net/http's.
//
// Its answers, limits, log lines and metrics are those of the handlers: it calls
// the same functions.
type laneConn struct {
	*net.TCPConn
	gateway *Gateway
	peer    netip.Addr

	// Of the goroutine that serves the connection.
	room    int       // what net/http reads at a time when it has no byte left over
	idle    bool      // net/http waits for the next request
	limited time.Time // when the time limits were set last; zero: by net/http

	state atomic.Int32 // of laneOpen, laneAnswering, laneClosed
}

const (
	laneOpen int32 = iota
	laneAnswering
	laneClosed
)

// lanePrecision is how much sooner than it should a time limit may end: it is set
// anew when it would be off by more, not for each request.
const lanePrecision = time.Second

// noteState is http.Server.ConnState.
func noteState(c net.Conn, state http.ConnState) {
	if lane, ok := c.(*laneConn); ok && state == http.StateIdle {
		lane.idle, lane.limited = true, time.Time{}
	}
}

// Read implements net.Conn for net/http.
func (c *laneConn) Read(p []byte) (int, error) {
	if c.room == 0 {
		c.room = len(p) // the first read of all goes into an empty buffer
	}
	for {
		n, err := c.TCPConn.Read(p)
		if !c.idle || len(p) != c.room || err != nil {
			c.idle = false
			return n, err
		}
		if !c.state.CompareAndSwap(laneOpen, laneAnswering) {
			return 0, net.ErrClosed
		}
		answered, err := c.answer(p[:n])
		if !c.state.CompareAndSwap(laneAnswering, laneOpen) {
			_ = c.TCPConn.Close() // Close left it to the lane
			return 0, net.ErrClosed
		}
		if err != nil {
			return 0, err
		}
		if answered < n {
			c.idle = false
			return copy(p, p[answered:n]), nil
		}
	}
}

// Close lets an answer of the lane be finished; net/http finishes its own.
func (c *laneConn) Close() error {
	for {
		switch state := c.state.Load(); {
		case !c.state.CompareAndSwap(state, laneClosed): // an answer has just begun or ended
		case state == laneAnswering:
			return nil
		default:
			return c.TCPConn.Close()
		}
	}
}

// answer answers as many of the requests in unread as are for the lane, and
// returns how long they are.
func (c *laneConn) answer(unread []byte) (size int, err error) {
	g := c.gateway
	if g.draining.Err() != nil {
		return 0, nil
	}
	g.underWay.Add(1)
	defer g.underWay.Add(-1)
	a := laneAnswers.Get().(*laneAnswer)
	defer func() {
		if v := recover(); v != nil { // as in observe, only that half an answer cannot be told from none
			g.log.Error().Interface("panic", v).Bytes("stack", debug.Stack()).Msg("fast lane panicked")
			err = net.ErrClosed
		}
		if cap(a.out) <= laneKept {
			laneAnswers.Put(a)
		}
	}()
	a.out = a.out[:0]
	for size < len(unread) {
		n := a.make(c, unread[size:])
		if n == 0 {
			break
		}
		size += n
		if len(a.out) > laneKept {
			if err := c.send(a); err != nil {
				return size, err
			}
		}
	}
	return size, c.send(a)
}

// laneKept is how much room for answers is kept for the next request, and from
// how much on they are sent before the next one is made.
const laneKept = 64 << 10

// send writes the answers. Time limits are net/http's own, and as long.
func (c *laneConn) send(a *laneAnswer) error {
	if len(a.out) == 0 {
		return nil
	}
	if a.start.Sub(c.limited) > lanePrecision {
		c.limited = a.start
		_ = c.SetReadDeadline(a.start.Add(idleTimeout)) // net/http sets its own when it gets something to read
		_ = c.SetWriteDeadline(a.start.Add(writeTimeout))
	}
	_, err := c.Write(a.out)
	a.out = a.out[:0]
	return err
}

// client tells whose request it is, as the handlers do.
func (c *laneConn) client(forwardedFor string) (client netip.Addr) {
	g := c.gateway
	if g.trustedProxies == 0 || forwardedFor == "" {
		return c.peer
	}
	r := &http.Request{RemoteAddr: c.RemoteAddr().String(), Header: http.Header{"X-Forwarded-For": {forwardedFor}}}
	middleware.ClientIPFromXFFTrustedProxies(g.trustedProxies)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client = g.clientAddr(r)
	})).ServeHTTP(nil, r)
	return client
}

// laneAnswer is what making an answer takes. Nothing in it outlives that, so all
// of it is used again for the next one.
type laneAnswer struct {
	out      []byte
	start    time.Time
	request  laneRequest
	exchange exchange
	limits   laneHeader
	dated    int64 // the second that date stands for
	date     []byte
}

var laneAnswers = sync.Pool{New: func() any { return &laneAnswer{limits: laneHeader{http.Header{}}} }}

// make appends to out the answer to the request that unread begins with, and
// returns the length of the request. 0: nothing has been done, net/http shall.
func (a *laneAnswer) make(c *laneConn, unread []byte) (size int) {
	a.start = time.Now()
	g, r := c.gateway, &a.request
	size = r.parse(unread)
	if size == 0 {
		return 0
	}
	req, cell, err := g.canonical(r.endpoint, upstream.ParseQuery(r.query), r.language)
	if err != nil || req.Callback() != "" {
		return 0
	}
	var client netip.Addr
	res, held := g.geocoder.Held(req, cache.Directives{}, func(res cache.Result) bool {
		if res.Status != http.StatusOK {
			return false
		}
		client = c.client(r.forwardedFor)
		clear(a.limits.header)
		// Who is refused has not been counted: the handlers tell him so.
		return g.limiter == nil || !g.limiter.OnLimit(a.limits, withoutContext, clientKey(client))
	})
	if !held {
		return 0
	}
	g.isTyping(req, client) // a series goes on with what is cached

	ex := &a.exchange
	*ex = exchange{
		requestID: requestID(r.id), client: client,
		cache: string(res.Class), upstream: res.Provider, query: g.queryHash.hash(req.Key()),
	}
	ex.recorder.status = res.Status
	a.write(&res, cell)
	g.metrics.laneAnswers.Inc()
	g.logAccess(ex, r.path, http.MethodGet, time.Since(a.start))
	return size
}

var withoutContext = (&http.Request{}).WithContext(context.Background())

// write appends the answer to out, with the header in net/http's order.
func (a *laneAnswer) write(res *cache.Result, cell string) {
	ex := &a.exchange
	ex.freshness.set(res)
	etag, length, body := res.ETagHeader(), res.ContentLengthHeader(), res.Body
	a.out = append(a.out, "HTTP/1.1 200 OK\r\n"...)
	field := func(name, value string) {
		a.out = append(append(append(append(a.out, name...), ": "...), value...), "\r\n"...)
	}
	field("Age", ex.freshness.age[0])
	field("Cache-Control", ex.freshness.cacheControl[0])
	field("Cache-Status", ex.freshness.cacheStatus[0])
	if acceptsGzip(a.request.encodings[:]) {
		if z := res.Gzip(); z != nil {
			etag, length, body = z.ETagHeader(), z.ContentLengthHeader(), z.Body
			field("Content-Encoding", gzipEncoding[0])
		}
	}
	field("Content-Length", length[0])
	field("Content-Type", res.ContentType)
	field("Etag", etag[0])
	field("Referrer-Policy", noReferrer[0])
	field("Vary", variesBy[0])
	field("X-Cache", ex.cache)
	if cell != "" {
		field("X-Cache-Cell", cell)
	}
	field("X-Content-Type-Options", nosniff[0])
	for _, name := range [...]string{rateHeaders.Limit, rateHeaders.Remaining, rateHeaders.Reset} {
		if values := a.limits.header[name]; len(values) > 0 {
			field(name, values[0])
		}
	}
	field("X-Request-Id", ex.requestID)
	if second := a.start.Unix(); second != a.dated {
		a.dated = second
		a.date = append(a.start.UTC().AppendFormat(append(a.date[:0], "Date: "...), http.TimeFormat), crlfcrlf...)
	}
	a.out = append(append(a.out, a.date...), body...)
	ex.recorder.bytes = int64(len(body))
}

// laneHeader takes the header fields of the limiter.
type laneHeader struct{ header http.Header }

func (h laneHeader) Header() http.Header       { return h.header }
func (laneHeader) WriteHeader(int)             {}
func (laneHeader) Write(p []byte) (int, error) { return len(p), nil }

// laneRequest is a request that the lane understands in full.
type laneRequest struct {
	endpoint     upstream.Endpoint
	path, query  string
	host         string
	connection   string
	encodings    [1]string
	language     string
	id           string
	forwardedFor string
	seen         [len(laneFields)]bool // the fields that came
}

// laneFields are the header fields that a request may have, each once: what
// clients of HTTP (Node's sends sec-fetch-mode, Apple's priority) and Heroku's
// router send. Any other may change an answer.
var laneFields = [...]string{
	"host", "connection", "accept-encoding", "accept-language", "x-request-id", "x-forwarded-for",
	"user-agent", "accept", "referer", "sec-fetch-mode", "priority",
	"x-forwarded-proto", "x-forwarded-port", "x-request-start", "via", "connect-time", "total-route-time",
}

// parse reads the request that b begins with and returns its length, or 0 when
// it is not one for the lane. Nothing is forgiven: every line ends in CRLF,
// everything is ASCII, and the target is the path of an endpoint, written as
// in the route table, with or without a query.
func (r *laneRequest) parse(b []byte) (size int) {
	end := bytes.Index(b, crlfcrlf)
	if end < 0 {
		return 0
	}
	*r = laneRequest{}
	line, fields, _ := strings.Cut(string(b[:end+len("\r\n")]), "\r\n")
	target, isGet := strings.CutPrefix(line, "GET ")
	target, is11 := strings.CutSuffix(target, " HTTP/1.1")
	if !isGet || !is11 || !isASCII(target, '!') || strings.IndexByte(target, '#') >= 0 {
		return 0
	}
	r.path, r.query, _ = strings.Cut(target, "?")
	var known bool
	if r.endpoint, known = laneEndpoints[r.path]; !known {
		return 0
	}
	for fields != "" {
		line, fields, _ = strings.Cut(fields, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found || !r.take(name, strings.Trim(value, " \t")) {
			return 0
		}
	}
	if r.host == "" || strings.Trim(r.host, hostAlphabet) != "" || !isKeepAlive(r.connection) {
		return 0
	}
	return end + len(crlfcrlf)
}

// take notes a header field and reports whether the lane knows what to do about
// it.
func (r *laneRequest) take(name, value string) bool {
	if !isASCII(value, ' ') {
		return false
	}
	for i, field := range &laneFields {
		if len(name) != len(field) || !strings.EqualFold(name, field) {
			continue
		}
		if r.seen[i] {
			return false
		}
		r.seen[i] = true
		texts := [...]*string{&r.host, &r.connection, &r.encodings[0], &r.language, &r.id, &r.forwardedFor}
		if i < len(texts) {
			*texts[i] = value
		}
		return true
	}
	return false
}

var crlfcrlf = []byte("\r\n\r\n")

const hostAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:"

// laneEndpoints are the endpoints by their routes.
var laneEndpoints = func() map[string]upstream.Endpoint {
	paths := map[string]upstream.Endpoint{}
	for _, p := range dropInPaths {
		paths[p], _ = dropInEndpoint(p)
	}
	return paths
}()

func isKeepAlive(connection string) bool {
	return connection == "" || strings.EqualFold(connection, "keep-alive")
}

// isASCII reports whether s has nothing but printable characters from first on.
func isASCII(s string, first byte) bool {
	for i := range len(s) {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}

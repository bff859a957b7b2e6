package upstreamtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is a way for an upstream to fail. The zero Fault is none.
type Fault struct {
	kind       faultKind
	status     int
	retryAfter int // seconds; 0: not said
}

type faultKind int

const (
	faultNone faultKind = iota
	faultStatus
	faultHang
	faultDrip
	faultTruncated
	faultHTML
	faultRedirect
	faultOversized
	faultReset
)

// Throttled answers 429 with Retry-After, in the plain text of a CDN. With 0
// seconds there is no such header.
func Throttled(retryAfter int) Fault {
	return Fault{kind: faultStatus, status: http.StatusTooManyRequests, retryAfter: retryAfter}
}

// Failing answers with a status and a body of text.
func Failing(status int) Fault { return Fault{kind: faultStatus, status: status} }

var (
	// Hang never answers.
	Hang = Fault{kind: faultHang}
	// Drip sends one byte after the other, and never comes to an end.
	Drip = Fault{kind: faultDrip}
	// Truncated announces more than it sends, then drops the connection.
	Truncated = Fault{kind: faultTruncated}
	// HTML answers 200 with a page, as portals and block pages do.
	HTML = Fault{kind: faultHTML}
	// Redirect sends the client elsewhere.
	Redirect = Fault{kind: faultRedirect}
	// Oversized sends valid JSON without end.
	Oversized = Fault{kind: faultOversized}
	// Reset drops the connection without an answer.
	Reset = Fault{kind: faultReset}
)

func (f Fault) serve(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
	switch f.kind {
	case faultStatus:
		if f.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
		}
		write(w, f.status, "text/plain; charset=utf-8", http.StatusText(f.status)+"\n")
	case faultHang:
		select {
		case <-r.Context().Done():
		case <-done:
		}
	case faultDrip:
		drip(w, r, done)
	case faultTruncated:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", "1000")
		_, _ = fmt.Fprint(w, `[{"place_id":1,"lat":"47.1","lon`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case faultHTML:
		write(w, http.StatusOK, "text/html; charset=utf-8", "<html><title>Please log in</title></html>")
	case faultRedirect:
		w.Header().Set("Location", "/elsewhere?"+r.URL.RawQuery)
		write(w, http.StatusFound, "text/html", "")
	case faultOversized:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		chunk := strings.Repeat(`{"place_id":1,"display_name":"again"},`, 1000)
		if _, err := fmt.Fprint(w, "["); err != nil {
			return
		}
		for {
			if _, err := fmt.Fprint(w, chunk); err != nil {
				return
			}
		}
	case faultReset:
		panic(http.ErrAbortHandler)
	}
}

// dripPause is the pause between two bytes of Drip: too short for any limit on
// silence.
const dripPause = 10 * time.Millisecond

func drip(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	tick := time.NewTicker(dripPause)
	defer tick.Stop()
	for next := "["; ; next = " " {
		if _, err := fmt.Fprint(w, next); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-done:
			return
		}
	}
}

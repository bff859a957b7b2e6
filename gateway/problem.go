package gateway

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// problem is an error as clients see it, by RFC 9457. It is an error itself, so
// that a handler can return one where no package below has a word for it.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Code     string `json:"code"`
	Hint     string `json:"hint,omitempty"`
	State    string `json:"state,omitempty"` // of a ride, on 409

	// Rejected tells why each position of an array was refused.
	Rejected []rejection `json:"rejected,omitempty"`

	retryAfter time.Duration
	allow      string
}

// Error is for the log, and therefore not the detail: that one may repeat what
// a client wrote, and clients write addresses in the strangest places.
func (p *problem) Error() string { return p.Code }

// newProblem returns a problem with a stable code, for programs, and a detail,
// for people.
func newProblem(status int, code, detail string) *problem {
	return &problem{
		Type:   "about:blank", // RFC 9457, 4.2.1: the title is then the status phrase
		Title:  http.StatusText(status),
		Status: status,
		Code:   code,
		Detail: detail,
	}
}

func (p *problem) withHint(hint string) *problem {
	p.Hint = hint
	return p
}

func badRequest(code, detail string) *problem {
	return newProblem(http.StatusBadRequest, code, detail)
}

// setHeaders writes what a problem says outside its body, whatever the shape
// of the body is going to be.
func (p *problem) setHeaders(h http.Header) {
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="geogate"`)
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		setRetryAfter(h, p.retryAfter)
	}
	h.Set("Cache-Control", "no-store")
}

// setRetryAfter sets whole seconds, at least one; a limiter may have set the
// header already, and knows better.
func setRetryAfter(h http.Header, after time.Duration) {
	if h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(after.Seconds())))))
	}
}

func writeProblem(w http.ResponseWriter, r *http.Request, p *problem) {
	answer := *p
	answer.Instance = "urn:request:" + exchangeOf(r).requestID
	answer.setHeaders(w.Header())
	body, err := json.Marshal(&answer)
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	write(w, answer.Status, "application/problem+json", body)
}

// write sends a whole body with its length. A client that went away is no
// error of ours: the access log shows the bytes that were sent.
func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	values := &[2]string{contentType, strconv.Itoa(len(body))}
	h["Content-Type"] = values[0:1:1]
	h["Content-Length"] = values[1:2:2]
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

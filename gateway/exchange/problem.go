package exchange

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is an error as clients see it (RFC 9457). It is an error itself, so
// that a handler can return one for what it finds wrong by itself.
type Problem struct { //nolint:errname // RFC 9457 calls it that
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Code     string `json:"code"`
	Hint     string `json:"hint,omitempty"`
	State    string `json:"state,omitempty"` // of a ride, on 409

	// Rejected says why each element of an array was refused.
	Rejected any `json:"rejected,omitempty"`

	RetryAfter time.Duration `json:"-"`
	Allow      string        `json:"-"` // the methods that the path takes, on 405
	Challenge  string        `json:"-"` // what WWW-Authenticate adds to the realm (RFC 6750), on 401 and 403
}

// Error is what the log says: the code and not the detail, because the detail
// may repeat what a client wrote, and clients write addresses in the strangest
// places.
func (p *Problem) Error() string { return p.Code }

// NewProblem returns a problem with a stable code, for programs, and a detail,
// for people.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{
		Type:   "about:blank", // RFC 9457, 4.2.1: the title is then the status phrase
		Title:  http.StatusText(status),
		Status: status,
		Code:   code,
		Detail: detail,
	}
}

// WithHint adds advice on what to do about p, and returns p.
func (p *Problem) WithHint(hint string) *Problem {
	p.Hint = hint
	return p
}

// BadRequest is a Problem of status 400.
func BadRequest(code, detail string) *Problem {
	return NewProblem(http.StatusBadRequest, code, detail)
}

// SetHeaders writes what p says outside the body, whatever shape the body has.
func (p *Problem) SetHeaders(h http.Header) {
	if p.Allow != "" {
		h.Set("Allow", p.Allow)
	}
	switch {
	case p.Challenge != "":
		h.Set("WWW-Authenticate", `Bearer realm="geogate", `+p.Challenge)
	case p.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="geogate"`)
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		SetRetryAfter(h, p.RetryAfter)
	}
	h.Set("Cache-Control", "no-store")
}

// SetRetryAfter sets whole seconds, at least one, unless the header is set: a
// limiter knows better.
func SetRetryAfter(h http.Header, after time.Duration) {
	if h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(after.Seconds())))))
	}
}

// WriteProblem answers r with p as problem+json.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	answer := *p
	answer.Instance = "urn:request:" + Of(r).RequestID
	answer.SetHeaders(w.Header())
	body, err := json.Marshal(&answer)
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	Write(w, answer.Status, "application/problem+json", body)
}

// Write sends a whole body with its length. If the client is gone, only the
// access log shows it, by the bytes that were sent.
func Write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	values := &[2]string{contentType, strconv.Itoa(len(body))}
	h["Content-Type"] = values[0:1:1]
	h["Content-Length"] = values[1:2:2]
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

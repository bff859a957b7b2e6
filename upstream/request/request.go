// Package request makes the requests of clients canonical. A [Request] is
// exactly what travels upstream and what an answer is cached by: its Key is a
// function of the bytes that are sent and of nothing else, so two requests with
// one key cannot have different answers.
//
// What a request means is read in the same pass and kept with it, as its
// [Question]. Nobody below reads the query again.
package request

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"geogate/internal/place"
)

// MaxQuery is the largest canonical query in bytes, encoded. It leaves room
// for 3,000 letters of most scripts and stays within the request line that
// common proxies accept.
const MaxQuery = 8 << 10

const (
	defaultLimit = 10
	maxZoom      = 18
)

// A Request is a canonical request. It is immutable; make one with
// [Canonical].
type Request struct {
	endpoint Endpoint
	format   place.Format
	key      string // endpoint, '?', query
	callback string
	asked    *Question
	mistake  *BadRequest
	typed    bool
}

// Endpoint returns the operation asked for.
func (r Request) Endpoint() Endpoint { return r.endpoint }

// Format returns the format asked for, the endpoint's default when the client
// named none. A format that the endpoint does not know is returned as it came.
func (r Request) Format() place.Format { return r.format }

// Key identifies the request: two requests have the same key exactly if the
// same bytes are sent upstream for them. It is computed once and costs nothing
// to read.
func (r Request) Key() string { return r.key }

// Query returns the encoded query, exactly as it is sent.
func (r Request) Query() string { return r.key[min(len(r.key), len(r.endpoint)+1):] }

// Callback returns the JavaScript function that a client wants its JSON answer
// wrapped in, or "". It is not part of the key: the gateway applies it to
// answers of status 200.
func (r Request) Callback() string { return r.callback }

// Question returns what the request asks for. It is shared and must not be
// modified. Where Mistake is not nil, what was not understood has its default.
func (r Request) Question() *Question {
	if r.asked == nil {
		return new(Question)
	}
	return r.asked
}

// Debug reports whether the client asked for Nominatim's debug page, which is
// passed on and never stored.
func (r Request) Debug() bool { return r.Question().Has(Debug) }

// Languages returns the languages asked for, best first, in Nominatim's
// comma-separated form without weights; "" when the client named none.
func (r Request) Languages() string { return r.Question().languages }

// Echo returns what a rendered answer repeats of the request.
func (r Request) Echo() string { return r.Question().echo(r.endpoint, r.format) }

// Mistake returns the refusal with which a Nominatim answers the request, nil
// for a request that it takes. Such a request travels all the same: a
// Nominatim says so in its own words, any other provider says this.
func (r Request) Mistake() *BadRequest { return r.mistake }

// A BadRequest is a request that is refused.
type BadRequest struct { //nolint:errname // reads like net/http.StatusBadRequest, which it becomes
	Status  int          // 400, 404 or 414
	Message string       // for the client, in Nominatim's manner
	Format  place.Format // in which the client is told
}

func (e *BadRequest) Error() string { return fmt.Sprintf("bad request: %s", e.Message) }

// param is one parameter on its way into the canonical query.
type param struct{ name, value string }

// reading is one request being made canonical. Rules look at other parameters
// through it.
type reading struct {
	query  url.Values
	format place.Format
	rules  *endpoint
	asked  Question // the request keeps it
	param  param    // that is being read
	bad    string   // why the request must not travel, once a rule has found a reason

	hasText, hasLat, hasLon bool

	wrong     string // why Nominatim refuses the request, once a rule has found a reason
	wrongTurn turn
}

// last returns the value that counts of a parameter: the last one, as in
// Nominatim.
func (c *reading) last(name string) (string, bool) {
	vs := c.query[name]
	if len(vs) == 0 {
		return "", false
	}
	return vs[len(vs)-1], true
}

// Canonical returns the canonical form of a request for ep. acceptLanguage is
// the Accept-Language header of the client (its lines joined by commas). It
// returns a *BadRequest for what must not travel. Other mistakes travel, so
// that the upstream answers them in its own words; see [Request.Mistake].
//
// The rules are in endpoints.go, one table an endpoint. They merge what
// Nominatim treats alike and keep apart whatever could differ: a parameter or
// value that is not understood is sent as it came.
func Canonical(ep Endpoint, query url.Values, acceptLanguage string) (Request, error) {
	rules, ok := endpoints[ep]
	if !ok {
		return Request{}, &BadRequest{Status: 400, Message: "Unknown endpoint."}
	}
	c := reading{query: query, format: rules.format, rules: rules, asked: Question{
		Limit: defaultLimit, Zoom: maxZoom, flags: rules.flags,
	}}
	if f, ok := c.last("format"); ok {
		c.format = place.Format(f)
	}
	// Nominatim looks at the format first. When that is wrong nothing else
	// matters, and nothing else is touched.
	supported := slices.Contains(rules.formats, c.format)
	r := Request{endpoint: ep, format: c.format, asked: &c.asked}

	var room [24]param
	params := append(room[:0], param{"format", string(c.format)})
	for name, values := range query {
		if len(values) == 0 || name == "format" || isNoise(name) {
			continue
		}
		c.param = param{name, values[len(values)-1]}
		if rule := rules.params[name]; rule != nil && supported && !rule(&c, &c.param) {
			continue
		}
		params = append(params, c.param)
	}
	if supported {
		if rules.localized {
			c.asked.languages = c.languages(acceptLanguage)
			if c.asked.languages != "" {
				params = append(params, param{"accept-language", c.asked.languages})
			}
		}
		c.finish(ep)
		r.callback = c.callback()
	}
	if c.bad != "" {
		return Request{}, &BadRequest{Status: 400, Message: c.bad, Format: c.format}
	}
	switch {
	case !supported:
		// In text, since nobody knows what the client can read.
		r.mistake = &BadRequest{Status: 400, Message: place.BadFormatMessage(rules.formats...), Format: place.Text}
	case c.wrong != "":
		r.mistake = &BadRequest{Status: 400, Message: c.wrong, Format: c.format}
	}

	c.query = nil // it need not live as long as the question does
	r.key = key(ep, params)
	if len(r.Query()) > MaxQuery {
		return Request{}, &BadRequest{
			Status:  414,
			Message: fmt.Sprintf("Query too long: at most %d bytes.", MaxQuery),
			Format:  c.format,
		}
	}
	return r, nil
}

// key sorts params and writes them as they are sent.
func key(ep Endpoint, params []param) string {
	slices.SortFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	size := len(ep)
	for _, p := range params {
		size += len(p.name) + len(p.value) + 2
	}
	key := make([]byte, 0, size+size/4)
	key = append(key, ep...)
	for i, p := range params {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		key = append(key, sep)
		key = appendEscaped(key, p.name)
		key = append(key, '=')
		key = appendEscaped(key, p.value)
	}
	return string(key)
}

// isNoise reports whether a parameter says nothing about what is asked for:
// the sender's address, the wrapping of the answer, campaign tags and
// cache-busters. The languages have a place of their own.
func isNoise(name string) bool {
	switch name {
	case "email", "json_callback", "_", "accept-language":
		return true
	}
	return strings.HasPrefix(name, "utm_")
}

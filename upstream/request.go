package upstream

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"geogate/internal/place"
)

// An Endpoint is one of the operations of the Nominatim API.
type Endpoint string

// The endpoints that Nominatim 5.3 serves.
const (
	Search    Endpoint = "search"
	Reverse   Endpoint = "reverse"
	Lookup    Endpoint = "lookup"
	Details   Endpoint = "details"
	Status    Endpoint = "status"
	Deletable Endpoint = "deletable"
	Polygons  Endpoint = "polygons"
)

// DefaultFormat is the format of an answer when the client names none.
func (ep Endpoint) DefaultFormat() place.Format { return endpoints[ep].format }

// MaxQuery is the largest canonical query in bytes, encoded. It leaves room
// for 3,000 letters of most scripts and stays within the request line that
// common proxies accept.
const MaxQuery = 8 << 10

// A Request is a canonical request: what is sent upstream and what an answer
// is cached by. It is immutable; make one with [Canonical].
type Request struct {
	endpoint  Endpoint
	format    place.Format
	key       string // endpoint, '?', query
	callback  string
	languages string
	debug     bool
}

// Endpoint returns the operation asked for.
func (r Request) Endpoint() Endpoint { return r.endpoint }

// Format returns the format asked for, the endpoint's default when the client
// named none. A format that the endpoint does not know is returned as it came:
// the upstream refuses it, in text.
func (r Request) Format() place.Format { return r.format }

// Key identifies the request: two requests have the same key exactly if the
// same bytes are sent upstream for them. It is computed once and costs nothing
// to read.
func (r Request) Key() string { return r.key }

// Query returns the encoded query, exactly as it is sent.
func (r Request) Query() string { return r.key[min(len(r.key), len(r.endpoint)+1):] }

// Callback returns the JavaScript function that a client wants its JSON answer
// wrapped in, or "". It is no part of the key: the gateway applies it to
// answers of status 200.
func (r Request) Callback() string { return r.callback }

// Debug reports whether the client asked for Nominatim's debug page, which is
// passed on and never stored.
func (r Request) Debug() bool { return r.debug }

// Languages returns the languages asked for, best first, in Nominatim's
// comma-separated form without weights; "" when the client named none.
func (r Request) Languages() string { return r.languages }

// A BadRequest is a request that must not travel: nothing has been sent.
type BadRequest struct { //nolint:errname // reads like net/http.StatusBadRequest, which it becomes
	Status  int          // 400 or 414
	Message string       // for the client, in Nominatim's manner
	Format  place.Format // the format that the client asked for
}

func (e *BadRequest) Error() string { return fmt.Sprintf("bad request: %s", e.Message) }

// ParseQuery reads a raw query as Nominatim's server does, which is more
// forgiving than [url.ParseQuery]: a stray percent sign stands for itself and
// a semicolon is an ordinary character.
func ParseQuery(raw string) url.Values {
	count := strings.Count(raw, "&") + 1
	values := make(url.Values, count)
	single := make([]string, 0, count) // room for the values of names that come once
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name = unescape(name)
		value = unescape(value)
		if earlier, repeated := values[name]; repeated {
			values[name] = append(earlier, value)
			continue
		}
		single = append(single, value)
		values[name] = single[len(single)-1 : len(single) : len(single)]
	}
	return values
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	default:
		return c - 'A' + 10
	}
}

// param is one parameter on its way into the canonical query.
type param struct{ name, value string }

// reading is one request being made canonical. Rules look at other parameters
// through it.
type reading struct {
	query  url.Values
	format place.Format
	bad    string // message of a BadRequest, once a rule has found one
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
// returns a *BadRequest for what must not travel; other mistakes travel, so
// that the upstream answers them in its own words.
//
// The rules are in params.go, one table an endpoint. They hold what Nominatim
// treats alike together and keep apart whatever could differ: a parameter or
// value that is not understood is sent as it came.
func Canonical(ep Endpoint, query url.Values, acceptLanguage string) (Request, error) {
	rules, ok := endpoints[ep]
	if !ok {
		return Request{}, &BadRequest{Status: 400, Message: "Unknown endpoint."}
	}
	c := reading{query: query, format: rules.format}
	if f, ok := c.last("format"); ok {
		c.format = place.Format(f)
	}
	supported := slices.Contains(rules.formats, c.format)
	r := Request{endpoint: ep, format: c.format}

	var room [24]param
	params := append(room[:0], param{"format", string(c.format)})
	for name, values := range query {
		if len(values) == 0 || name == "format" || isNoise(name) {
			continue
		}
		p := param{name, values[len(values)-1]}
		// Nominatim looks at the format first. When that is wrong nothing else
		// matters, and nothing else is touched.
		if rule := rules.params[name]; rule != nil && supported && !rule(&c, &p) {
			continue
		}
		params = append(params, p)
	}
	if supported {
		if rules.localized {
			r.languages = c.languages(acceptLanguage)
			if r.languages != "" {
				params = append(params, param{"accept-language", r.languages})
			}
		}
		if rules.check != nil {
			rules.check(&c)
		}
		r.callback = c.callback()
	}
	if c.bad != "" {
		return Request{}, &BadRequest{Status: 400, Message: c.bad, Format: c.format}
	}

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
		r.debug = r.debug || supported && rules.localized && p.name == "debug"
	}
	if len(key)-len(ep)-1 > MaxQuery {
		return Request{}, &BadRequest{
			Status:  414,
			Message: fmt.Sprintf("Query too long: at most %d bytes.", MaxQuery),
			Format:  c.format,
		}
	}
	r.key = string(key)
	return r, nil
}

// isNoise reports whether a parameter says nothing about what is asked for:
// the sender's address, the wrapping of the answer, campaign tags and
// cache-busters.
func isNoise(name string) bool {
	switch name {
	case "email", "json_callback", "_", "accept-language":
		return true
	}
	return strings.HasPrefix(name, "utm_")
}

// appendEscaped appends s in the form of a query, a space as '+'.
func appendEscaped(dst []byte, s string) []byte {
	const upperHex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == ',':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

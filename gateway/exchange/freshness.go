package exchange

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"geogate/cache"
)

// Directives reads what a client asks of the cache (RFC 9111, 5.2.1). Unknown
// and malformed directives are ignored, as the RFC has it.
func Directives(h http.Header) cache.Directives {
	var d cache.Directives
	for _, line := range h["Cache-Control"] {
		for field := range strings.SplitSeq(line, ",") {
			name, value, hasValue := strings.Cut(strings.TrimSpace(field), "=")
			switch strings.ToLower(name) {
			case "no-cache":
				d.NoCache = true
			case "no-store":
				d.NoStore = true
			case "only-if-cached":
				d.OnlyIfCached = true
			case "max-age":
				d.MaxAge = deltaSeconds(value)
			case "max-stale":
				if d.MaxStale = deltaSeconds(value); !hasValue {
					unbounded := time.Duration(1<<63 - 1)
					d.MaxStale = &unbounded
				}
			}
		}
	}
	return d
}

// deltaSeconds reads a number of seconds; nil when it is not one.
func deltaSeconds(value string) *time.Duration {
	n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
	if err != nil {
		return nil
	}
	d := time.Duration(n) * time.Second
	return &d
}

// GzipEncoding, VariesBy and Unstored are values of Content-Encoding, Vary and
// Cache-Control. Header values that never change are shared by all answers.
var (
	GzipEncoding = []string{"gzip"}
	classes      = map[cache.Class][]string{
		cache.Hit: {string(cache.Hit)}, cache.Miss: {string(cache.Miss)},
		cache.Stale: {string(cache.Stale)}, cache.Bypass: {string(cache.Bypass)},
	}
	VariesBy = []string{"Accept-Language, Accept-Encoding"}
	Unstored = []string{"no-store"}
)

// Freshness holds the header values that differ from hit to hit.
type Freshness struct{ CacheStatus, Age, CacheControl [1]string }

// Set makes the values. They are parts of one string, which is made once.
func (f *Freshness) Set(res *cache.Result) {
	var room [128]byte
	text := appendCacheStatus(room[:0], res)
	status := len(text)
	text = strconv.AppendInt(text, int64(res.Age.Seconds()), 10)
	age := len(text)
	text = append(text, "public, max-age="...)
	text = strconv.AppendInt(text, max(0, int64((res.Fresh-res.Age).Seconds())), 10)
	values := string(text)
	f.CacheStatus[0], f.Age[0], f.CacheControl[0] = values[:status], values[status:age], values[age:]
}

// Write says in headers what the cache did: X-Cache for people, the rest for
// programs. The keys are in canonical form: most answers are hits, and Set would
// check that every time.
func (f *Freshness) Write(h http.Header, res *cache.Result) {
	f.Set(res)
	h["X-Cache"] = classes[res.Class]
	h["Cache-Status"] = f.CacheStatus[:]
	h["Vary"] = VariesBy
	if res.Class == cache.Bypass || !res.Stored && res.Class == cache.Miss {
		h["Cache-Control"] = Unstored
		return
	}
	h["Age"] = f.Age[:]
	h["Cache-Control"] = f.CacheControl[:]
}

// SetCacheStatus says what the cache did, without permission to store the answer.
func SetCacheStatus(h http.Header, res cache.Result) {
	h.Set("X-Cache", string(res.Class))
	h.Set("Cache-Status", string(appendCacheStatus(nil, &res)))
}

// appendCacheStatus writes the Cache-Status field of RFC 9211.
func appendCacheStatus(b []byte, res *cache.Result) []byte {
	switch res.Class {
	case cache.Hit, cache.Stale: // the ttl of a stale one is negative
		b = append(b, "geogate; hit; ttl="...)
		b = strconv.AppendInt(b, int64((res.Fresh - res.Age).Seconds()), 10)
		return append(append(b, "; detail="...), res.Layer...)
	case cache.Bypass:
		return append(b, "geogate; fwd=bypass"...)
	}
	b = append(b, "geogate; fwd=uri-miss"...)
	if res.Stored {
		b = append(b, "; stored"...)
	}
	if res.Collapsed {
		b = append(b, "; collapsed"...)
	}
	return b
}

// NotModified reports whether the client already holds the answer with etag
// (RFC 9110, 13.1.2: weak comparison).
func NotModified(r *http.Request, etag string) bool {
	field := r.Header.Get("If-None-Match")
	if field == "" || etag == "" {
		return false
	}
	for candidate := range strings.SplitSeq(field, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// AcceptsGzip reports whether a client accepts gzip (RFC 9110, 12.5.3). What it
// says of gzip counts more than what it says of everything.
func AcceptsGzip(acceptEncoding []string) bool {
	everything := false
	for _, line := range acceptEncoding {
		for field := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(field, ";")
			if coding = strings.TrimSpace(coding); coding != "*" && !strings.EqualFold(coding, "gzip") {
				continue
			}
			accepted := true
			if params != "" {
				_, weight, weighted := strings.Cut(strings.ReplaceAll(params, " ", ""), "q=")
				q, err := strconv.ParseFloat(weight, 64)
				accepted = !weighted || err == nil && q > 0
			}
			if coding != "*" {
				return accepted
			}
			everything = accepted
		}
	}
	return everything
}

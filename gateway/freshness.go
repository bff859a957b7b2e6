package gateway

import (
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"geogate/cache"
)

// directives reads what a client asks of the cache (RFC 9111, 5.2.1).
// Directives that are unknown or malformed are ignored, as the RFC has it.
func directives(h http.Header) cache.Directives {
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

// deltaSeconds reads a number of seconds; nil when it is none.
func deltaSeconds(value string) *time.Duration {
	n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
	if err != nil {
		return nil
	}
	d := time.Duration(n) * time.Second
	return &d
}

// Header values that never change are shared by all answers.
var (
	classes = map[cache.Class][]string{
		cache.Hit: {string(cache.Hit)}, cache.Miss: {string(cache.Miss)},
		cache.Stale: {string(cache.Stale)}, cache.Bypass: {string(cache.Bypass)},
	}
	variesBy = []string{"Accept-Language, Accept-Encoding"}
	unstored = []string{"no-store"}
)

// freshness holds the header values that differ from hit to hit.
type freshness struct{ cacheStatus, age, cacheControl [1]string }

// set makes the values. They are parts of one string, which is made once.
func (f *freshness) set(res *cache.Result) {
	var room [128]byte
	text := appendCacheStatus(room[:0], res)
	status := len(text)
	text = strconv.AppendInt(text, int64(res.Age.Seconds()), 10)
	age := len(text)
	text = append(text, "public, max-age="...)
	text = strconv.AppendInt(text, max(0, int64((res.Fresh-res.Age).Seconds())), 10)
	values := string(text)
	f.cacheStatus[0], f.age[0], f.cacheControl[0] = values[:status], values[status:age], values[age:]
}

// write tells in headers what the cache did: X-Cache for people, the rest for
// programs. Keys are in canonical form: most answers are hits, and Set would
// check that each time.
func (f *freshness) write(h http.Header, res *cache.Result) {
	f.set(res)
	h["X-Cache"] = classes[res.Class]
	h["Cache-Status"] = f.cacheStatus[:]
	h["Vary"] = variesBy
	if res.Class == cache.Bypass || !res.Stored && res.Class == cache.Miss {
		h["Cache-Control"] = unstored
		return
	}
	h["Age"] = f.age[:]
	h["Cache-Control"] = f.cacheControl[:]
}

// setCacheStatus tells what the cache did, without leave to store the answer.
func setCacheStatus(h http.Header, res cache.Result) {
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

// notModified reports whether the client already holds the answer with etag
// (RFC 9110, 13.1.2: weak comparison).
func notModified(r *http.Request, etag string) bool {
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

// acceptsGzip reports whether a client takes gzip (RFC 9110, 12.5.3).
func acceptsGzip(acceptEncoding []string) bool {
	for _, line := range acceptEncoding {
		for field := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(field, ";")
			if coding = strings.TrimSpace(coding); coding != "gzip" && coding != "*" {
				continue
			}
			_, weight, weighted := strings.Cut(strings.ReplaceAll(params, " ", ""), "q=")
			if q, err := strconv.ParseFloat(weight, 64); !weighted || err == nil && q > 0 {
				return true
			}
			return false
		}
	}
	return false
}

// queryHasher makes the keyed hash by which logs tell queries apart without
// telling them. The key lives as long as the process.
type queryHasher struct{ seed maphash.Seed }

func newQueryHasher() queryHasher { return queryHasher{maphash.MakeSeed()} }

func (q queryHasher) hash(key string) uint64 { return maphash.String(q.seed, key) }

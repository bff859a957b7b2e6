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

// setFreshness tells in headers what the cache did: X-Cache for people, the
// rest for programs. Keys are in canonical form: most answers are hits, and
// Set would check that each time.
func setFreshness(h http.Header, res cache.Result) {
	values := new([3]string)
	values[0] = cacheStatus(res)
	h["X-Cache"] = classes[res.Class]
	h["Cache-Status"] = values[0:1:1]
	h["Vary"] = variesBy
	if res.Class == cache.Bypass || !res.Stored && res.Class == cache.Miss {
		h["Cache-Control"] = unstored
		return
	}
	values[1] = strconv.Itoa(int(res.Age.Seconds()))
	values[2] = "public, max-age=" + strconv.Itoa(max(0, int((res.Fresh-res.Age).Seconds())))
	h["Age"] = values[1:2:2]
	h["Cache-Control"] = values[2:3:3]
}

// setCacheStatus tells what the cache did, without leave to store the answer.
func setCacheStatus(h http.Header, res cache.Result) {
	h.Set("X-Cache", string(res.Class))
	h.Set("Cache-Status", cacheStatus(res))
}

// cacheStatus is the Cache-Status field of RFC 9211.
func cacheStatus(res cache.Result) string {
	switch res.Class {
	case cache.Hit, cache.Stale: // the ttl of a stale one is negative
		return "geogate; hit; ttl=" + strconv.Itoa(int((res.Fresh - res.Age).Seconds())) + "; detail=" + res.Layer
	case cache.Bypass:
		return "geogate; fwd=bypass"
	}
	status := "geogate; fwd=uri-miss"
	if res.Stored {
		status += "; stored"
	}
	if res.Collapsed {
		status += "; collapsed"
	}
	return status
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
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
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

func (q queryHasher) hash(key string) string {
	return strconv.FormatUint(maphash.String(q.seed, key), 36)
}

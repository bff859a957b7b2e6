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

// setFreshness tells in headers what the cache did: X-Cache for people, the
// rest for programs.
func setFreshness(h http.Header, res cache.Result) {
	h.Set("X-Cache", string(res.Class))
	h.Set("Cache-Status", cacheStatus(res))
	h.Set("Vary", "Accept-Language, Accept-Encoding")
	remaining := res.Fresh - res.Age
	if res.Class == cache.Bypass || !res.Stored && res.Class == cache.Miss {
		h.Set("Cache-Control", "no-store")
		return
	}
	h.Set("Age", strconv.Itoa(int(res.Age.Seconds())))
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(max(0, int(remaining.Seconds()))))
}

// cacheStatus is the Cache-Status field of RFC 9211.
func cacheStatus(res cache.Result) string {
	var b strings.Builder
	b.WriteString("geogate")
	switch res.Class {
	case cache.Hit, cache.Stale:
		b.WriteString("; hit; ttl=") // negative when stale
		b.WriteString(strconv.Itoa(int((res.Fresh - res.Age).Seconds())))
		b.WriteString("; detail=" + res.Layer)
	case cache.Bypass:
		b.WriteString("; fwd=bypass")
	case cache.Miss:
		b.WriteString("; fwd=uri-miss")
		if res.Stored {
			b.WriteString("; stored")
		}
		if res.Collapsed {
			b.WriteString("; collapsed")
		}
	}
	return b.String()
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

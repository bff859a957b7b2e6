package geocoding

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/upstream"
)

// Bounds of one suggestion. It causes at most one call to each of a few upstreams,
// see upstream.Chain.Suggest.
const (
	// maxTyped is how long the beginning of a name may be, in characters. Nobody
	// types more before choosing.
	maxTyped = 200
	// maxSuggestions is how many may be asked for, usualSuggestions how many are
	// if nobody says: more than what a list shows are not read.
	maxSuggestions   = 20
	usualSuggestions = 5
	// maxCountryCodes is how many countries may be named.
	maxCountryCodes = 20
	// suggestPatience is how long upstreams have: later, the next letter is typed.
	suggestPatience = 700 * time.Millisecond
)

const (
	// missedLife is the life of suggestions that an upstream has missed: long
	// enough to spare it the same letters, short enough to forget that it failed.
	missedLife = 5 * time.Second
	// biasDigits is to how many decimals the reader's position counts: a
	// kilometre moves no town, and neighbours share the answer.
	biasDigits = 2
)

// Suggest completes what somebody is typing, letter by letter.
func (a *API) Suggest(w http.ResponseWriter, r *http.Request) error {
	req, err := suggestion(r)
	if err != nil {
		return err
	}
	ex := exchange.Of(r)
	ex.Query = maphash.String(a.seed, req.Key())
	ctx, cancel := context.WithTimeout(upstream.WithCharge(r.Context(), a.charge(r)), geocodeTimeout)
	defer cancel()
	res, err := a.geocoder.suggest(ctx, req, exchange.Directives(r.Header))
	if err != nil {
		return err
	}
	ex.Cache, ex.Upstream = string(res.Class), res.Provider
	ex.Freshness.Write(w.Header(), &res)
	etag := apiETag(&res)
	w.Header().Set("ETag", etag)
	if exchange.NotModified(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	exchange.Write(w, http.StatusOK, exchange.JSON, suggestBody(res))
	return nil
}

// suggestBody puts what the cache did before what it holds.
func suggestBody(res cache.Result) []byte {
	b := make([]byte, 0, len(res.Body)+32)
	b = fmt.Appendf(b, `{"cache":%t`, res.Class == cache.Hit || res.Class == cache.Stale)
	if res.Class == cache.Stale {
		b = append(b, `,"stale":true`...)
	}
	return append(append(b, ','), res.Body[1:]...)
}

// suggestion reads the parameters of /suggest.
func suggestion(r *http.Request) (req upstream.Request, err error) {
	query, err := exchange.Parameters(r.URL, "q", "lat", "lon", "lng", "limit", "accept-language", "countrycodes")
	if err != nil {
		return req, err
	}
	text := query.Get("q")
	switch {
	case strings.TrimSpace(text) == "":
		return req, exchange.BadRequest("missing_query", "nothing to complete").WithHint("give q, the beginning of a name")
	case utf8.RuneCountInString(text) > maxTyped:
		return req, exchange.BadRequest("query_too_long", fmt.Sprintf("q is longer than %d characters", maxTyped)).
			WithHint("search for whole addresses with GET /api?q=…")
	}
	limit, err := exchange.Limit(query, maxSuggestions, usualSuggestions)
	if err != nil {
		return req, err
	}
	if err := checkCountryCodes(query.Get("countrycodes")); err != nil {
		return req, err
	}
	asked := url.Values{"q": {text}, "limit": {strconv.Itoa(limit)}}
	if exchange.HasPoint(query) {
		p, err := exchange.PointOf(query, false)
		if err != nil {
			return req, err
		}
		asked.Set("lat", rounded(p.Lat))
		asked.Set("lon", rounded(p.Lon))
	}
	for _, name := range []string{"countrycodes", "accept-language"} {
		if value := query.Get(name); value != "" {
			asked.Set(name, value)
		}
	}
	return upstream.Canonical(upstream.Suggest, asked, r.Header.Get("Accept-Language"))
}

func rounded(degrees float64) string {
	unit := math.Pow10(biasDigits)
	return strconv.FormatFloat(math.Round(degrees*unit)/unit, 'f', -1, 64)
}

func checkCountryCodes(list string) error {
	codes := exchange.List(list)
	for _, code := range codes {
		if len(code) != 2 || strings.Trim(strings.ToLower(code), "abcdefghijklmnopqrstuvwxyz") != "" {
			return exchange.BadRequest("invalid_countrycodes", "countrycodes must be two-letter codes, separated by commas").WithHint("such as li,ch")
		}
	}
	if len(codes) > maxCountryCodes {
		return exchange.BadRequest("invalid_countrycodes", fmt.Sprintf("countrycodes names more than %d countries", maxCountryCodes))
	}
	return nil
}

// suggest returns the suggestions for req. Those of this machine's own data are
// made faster than Redis answers, and stay in this process.
func (g *Geocoder) suggest(ctx context.Context, req upstream.Request, d cache.Directives) (cache.Result, error) {
	key := g.chain.SuggestIdentity() + "|" + req.Key()
	if res, held := g.cache.Peek(key, d, nil); held {
		return res, nil
	}
	d.Local = g.chain.SuggestsLocally()
	charge := upstream.ChargeOf(ctx)
	return g.cache.Get(ctx, key, d, func(ctx context.Context, _ *cache.Priority) (cache.Entry, error) {
		answers, missing := g.chain.Suggest(upstream.WithCharge(ctx, charge), req, suggestPatience)
		e := merged(answers, req.Question().Limit)
		e.Fresh, e.Stale = g.lives.Fresh, g.lives.Stale
		if e.Outcome != string(upstream.Found) {
			e.Fresh = min(g.lives.Empty, g.lives.Fresh)
		}
		for _, answer := range answers {
			e.NoStore = e.NoStore || answer.NoStore
			if answer.MaxTTL > 0 {
				e.Fresh = min(e.Fresh, answer.MaxTTL)
				e.Stale = min(e.Stale, answer.MaxTTL-e.Fresh)
			}
		}
		if missing != nil {
			e.Fresh, e.Stale = min(e.Fresh, missedLife), 0
		}
		return e, nil
	})
}

// merged makes one answer of several.
func merged(answers []upstream.Answer, limit int) cache.Entry {
	e := cache.Entry{Status: http.StatusOK, ContentType: exchange.JSON, Provider: builtIn, Outcome: string(upstream.Empty)}
	lists := make([][]suggested, len(answers))
	for i, a := range answers {
		lists[i] = readSuggestions(a.Body, a.Provider)
		e.Provider = a.Provider // of the last, an upstream if there is one: a purge goes by it
	}
	chosen := mergeSuggestions(lists, limit)
	if len(chosen) > 0 {
		e.Outcome = string(upstream.Found)
	}
	e.Body = writeSuggestions(chosen)
	return e
}

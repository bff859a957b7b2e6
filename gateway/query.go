package gateway

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxWait is the longest ?wait=, below the 30 s after which Heroku's router
// wants a first byte.
const maxWait = 25 * time.Second

// parameters reads the query of one of geogate's own endpoints, strictly: what
// is misspelt or said twice would otherwise be understood as not said.
func parameters(u *url.URL, known ...string) (url.Values, error) {
	query, err := ownQuery(u)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(query)) { // the same mistake is told each time
		if slices.Contains(known, name) {
			continue
		}
		p := badRequest("unknown_parameter", fmt.Sprintf("unknown parameter %q", name))
		if len(known) == 0 {
			return nil, p.withHint("this endpoint takes none")
		}
		return nil, p.withHint("known are " + strings.Join(known, ", "))
	}
	return query, nil
}

// ownQuery is parameters where others than the known ones may be sent.
func ownQuery(u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, badRequest("invalid_query", "the query string is malformed").
			withHint("percent-encode it: curl -G --data-urlencode 'q=…'")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		switch {
		case len(values) > 1:
			return nil, badRequest("repeated_parameter", fmt.Sprintf("%q is given more than once", name))
		case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0):
			return nil, badRequest("invalid_utf8", fmt.Sprintf("%q is not valid UTF-8 text", name))
		}
	}
	return query, nil
}

// waitOf reads ?wait=, a duration such as 20s or a number of seconds.
func waitOf(query url.Values) (time.Duration, error) {
	value := query.Get("wait")
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		seconds, numberErr := strconv.ParseFloat(value, 64)
		if numberErr != nil || math.IsNaN(seconds) || math.Abs(seconds) > maxWait.Seconds() {
			return 0, badRequest("invalid_wait", "wait must be a duration such as 20s").
				withHint(fmt.Sprintf("at most %s", maxWait))
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d < 0 || d > maxWait {
		return 0, badRequest("invalid_wait", fmt.Sprintf("wait must be from 0s to %s", maxWait))
	}
	return d, nil
}

// listOf splits a parameter with commas in it; empty: none.
func listOf(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// noParameters refuses the query of an endpoint that takes none.
func noParameters(r *http.Request) error {
	_, err := parameters(r.URL)
	return err
}

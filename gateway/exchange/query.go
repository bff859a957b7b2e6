package exchange

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

	"github.com/go-chi/chi/v5"
)

// maxWait is the longest ?wait=. It is below the 30 s after which Heroku's router
// gives up on a first byte.
const maxWait = 25 * time.Second

// Parameters reads the query of one of geogate's own endpoints strictly: it
// refuses what is misspelt or given twice, which would otherwise go unheard.
func Parameters(u *url.URL, known ...string) (url.Values, error) {
	query, err := LooseParameters(u)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(query)) { // so that the same query always gets the same error
		if slices.Contains(known, name) {
			continue
		}
		p := BadRequest("unknown_parameter", fmt.Sprintf("unknown parameter %q", name))
		if len(known) == 0 {
			return nil, p.WithHint("this endpoint takes none")
		}
		return nil, p.WithHint("known are " + strings.Join(known, ", "))
	}
	return query, nil
}

// LooseParameters is Parameters for endpoints where clients may add parameters
// of their own.
func LooseParameters(u *url.URL) (url.Values, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, BadRequest("invalid_query", "the query string is malformed").
			WithHint("percent-encode it: curl -G --data-urlencode 'q=…'")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		switch {
		case len(values) > 1:
			return nil, BadRequest("repeated_parameter", fmt.Sprintf("%q is given more than once", name))
		case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0):
			return nil, BadRequest("invalid_utf8", fmt.Sprintf("%q is not valid UTF-8 text", name))
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
			return 0, BadRequest("invalid_wait", "wait must be a duration such as 20s").
				WithHint(fmt.Sprintf("at most %s", maxWait))
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	if d < 0 || d > maxWait {
		return 0, BadRequest("invalid_wait", fmt.Sprintf("wait must be from 0s to %s", maxWait))
	}
	return d, nil
}

// List splits a parameter at its commas; nil when it is empty.
func List(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// NoParameters refuses the query of an endpoint that takes none.
func NoParameters(r *http.Request) error {
	_, err := Parameters(r.URL)
	return err
}

// IDAndWait reads a request for something that the path names by {id}, with
// ?wait= for a change of it. others are the parameters that it takes besides.
func IDAndWait(r *http.Request, others ...string) (id string, wait time.Duration, query url.Values, err error) {
	if query, err = Parameters(r.URL, append([]string{"wait"}, others...)...); err != nil {
		return "", 0, nil, err
	}
	if wait, err = waitOf(query); err != nil {
		return "", 0, nil, err
	}
	id, err = PathParam(r, "id")
	return id, wait, query, err
}

// IDAlone reads the {id} in the path of an endpoint that takes no parameters.
func IDAlone(r *http.Request) (id string, err error) {
	if err := NoParameters(r); err != nil {
		return "", err
	}
	return PathParam(r, "id")
}

// Limit reads ?limit=, a whole number from 1 to most; otherwise when it is not
// given.
func Limit(query url.Values, most, otherwise int) (int, error) {
	value := query.Get("limit")
	if value == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, BadRequest("invalid_limit", fmt.Sprintf("limit must be a whole number from 1 to %d", most))
	}
	return n, nil
}

// Switch reads a parameter that is 1 or 0; nil when it is not given.
func Switch(query url.Values, name string) (*bool, error) {
	if !query.Has(name) {
		return nil, nil //nolint:nilnil // not given is no error
	}
	v, err := strconv.ParseBool(query.Get(name))
	if err != nil {
		return nil, BadRequest("invalid_switch", name+" must be 1 or 0")
	}
	return &v, nil
}

// PathParam returns the part of the path that the route calls name.
func PathParam(r *http.Request, name string) (string, error) {
	value, err := url.PathUnescape(chi.URLParam(r, name))
	if err != nil { // cannot come through net/http, which parsed the path
		return "", BadRequest("invalid_path", "the path is not percent-encoded correctly")
	}
	return value, nil
}

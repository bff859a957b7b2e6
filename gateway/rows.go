package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"geogate/cache"
	"geogate/gateway/geocoding"
	"geogate/internal/bulk"
	"geogate/internal/fleet"
	"geogate/upstream"
)

// RowPlan geocodes the rows of jobs as it does everyone's requests, through the
// same cache, in the lane of bulk: a cached row costs nothing, and people never
// queue behind a job. The requests are those that /search makes of an address, so
// that the answers serve both.
func RowPlan(geocoder *Geocoder, cells []Cell) bulk.Plan {
	return func(q bulk.Query) (bulk.Request, error) {
		query := url.Values{"format": {"json"}}
		if q.CountryCodes != "" && q.Mode == bulk.Search {
			query.Set("countrycodes", q.CountryCodes)
		}
		endpoint := upstream.Search
		if q.Mode == bulk.Reverse {
			endpoint = upstream.Reverse
			query.Set("lat", strconv.FormatFloat(q.Lat, 'f', -1, 64))
			query.Set("lon", strconv.FormatFloat(q.Lon, 'f', -1, 64))
		} else {
			query.Set("q", q.Q)
			query.Set("limit", strconv.Itoa(q.Limit))
		}
		req, _, err := geocoding.Cells(cells).Canonical(endpoint, query, q.Language)
		if err != nil {
			return bulk.Request{}, fmt.Errorf("plan row: %w", err)
		}
		return bulk.Request{
			Key: req.Key(),
			Ask: func(ctx context.Context) (bulk.Answer, error) { return askRow(ctx, geocoder, req) },
		}, nil
	}
}

func askRow(ctx context.Context, geocoder *Geocoder, req upstream.Request) (bulk.Answer, error) {
	res, held := geocoder.Held(req, cache.Directives{}, nil)
	if !held {
		var err error
		if res, err = geocoder.Lookup(ctx, req, upstream.Bulk, cache.Directives{}); err != nil {
			return bulk.Answer{}, err
		}
	}
	if res.Cause != nil && res.Outcome != string(upstream.Found) {
		// A stale "nothing there", or one that somebody who might know more had no
		// say in: a row has time to wait for a better answer.
		return bulk.Answer{}, res.Cause
	}
	a := bulk.Answer{
		Provider: res.Provider,
		Cached:   res.Class == cache.Hit || res.Class == cache.Stale || res.Collapsed,
	}
	if res.Stored {
		a.Held = res.Fresh - res.Age
	}
	switch {
	case res.Status != http.StatusOK:
		a.Outcome = bulk.OutcomeInvalid
	case res.Outcome == string(upstream.Found):
		best, ok := res.Reading(readBestPlace).(bulk.Place)
		if !ok {
			return bulk.Answer{}, fmt.Errorf("read place: %w", upstream.ErrInvalidAnswer)
		}
		a.Outcome, a.Place = bulk.OutcomeFound, best
	default:
		a.Outcome = bulk.OutcomeEmpty
	}
	return a, nil
}

// readBestPlace reads the best place, a bulk.Place, from an answer in
// Nominatim's format json, a list or a single object; nil if there is none.
func readBestPlace(body []byte) any {
	best := gjson.ParseBytes(body)
	if best.IsArray() {
		best = best.Get("0")
	}
	if !best.IsObject() {
		return nil
	}
	var p bulk.Place
	best.ForEach(func(name, value gjson.Result) bool {
		switch name.Str { // cloned, or each would keep the whole body
		case "lat":
			p.Lat = strings.Clone(value.String())
		case "lon":
			p.Lon = strings.Clone(value.String())
		case "display_name":
			p.DisplayName = strings.Clone(value.String())
		case "type":
			p.Type = strings.Clone(value.String())
		case "importance":
			if value.Type != gjson.Null {
				p.Importance = strings.Clone(strings.Trim(value.Raw, `"`))
			}
		case "licence":
			p.Licence = strings.Clone(value.String())
		}
		return true
	})
	return p
}

// RowTrouble tells what an error of a geocoder means for a job: whether to slow
// down, to wait, or to give the row up.
func RowTrouble(err error) (bulk.Trouble, time.Duration) {
	var failed *upstream.Error
	errors.As(err, &failed)
	pause := time.Duration(0)
	if failed != nil {
		pause = failed.RetryAfter
	}
	switch {
	case errors.Is(err, upstream.ErrThrottled), errors.Is(err, upstream.ErrBudget), errors.Is(err, fleet.ErrCachedOnly):
		return bulk.Busy, pause
	case errors.Is(err, upstream.ErrUnavailable):
		return bulk.Down, pause
	}
	return bulk.Fault, 0
}

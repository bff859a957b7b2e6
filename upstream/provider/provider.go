// Package provider holds the geocoders that can be asked, one file a kind.
// Whatever API they have, to clients they look like a Nominatim.
//
// An [Answer] has been checked: status, content type, and a body that parses as
// the format that was asked for. Everything else is an [Error]. Nothing of the
// client travels: no headers, cookies or addresses.
package provider

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"geogate/internal/place"
	"geogate/upstream/request"
)

// A Provider is one geocoder. Geocode returns an *Error (or the context's
// error when the caller left) for everything that is not a proper answer. Both
// methods are safe for concurrent use.
type Provider interface {
	Name() string
	Geocode(ctx context.Context, r request.Request) (Answer, error)
}

// Outcome says what an answer amounts to, which decides how long it may live.
type Outcome string

const (
	// Found means at least one place, or whatever else the endpoint serves.
	Found Outcome = "found"
	// Empty means that the upstream knows no such place.
	Empty Outcome = "empty"
	// Refused is the upstream's own 400 or 404, in its own words. The same
	// request will be refused again.
	Refused Outcome = "refused"
)

// An Answer is what a provider said, checked and ready to be passed on.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte // not to be modified
	Outcome     Outcome
	Provider    string        // name of who answered
	After       After         // why a better source did not answer
	Rank        int           // how many sources are better than the one that answered
	Unheard     error         // why somebody who might know more was not heard; nil: all were
	MaxTTL      time.Duration // longest it may be kept, stale time included; 0: no limit
	NoStore     bool          // must not be kept at all
}

// After says why an answer does not come from the first choice for its request,
// which decides what it is worth.
type After string

const (
	// AfterNothing: it does come from the first choice.
	AfterNothing After = ""
	// AfterEmpty: the better sources know no such place, so it counts in full.
	AfterEmpty After = "empty"
	// AfterError: a better source failed. The answer is a place; that nothing was
	// found would be no answer.
	AfterError After = "error"
)

// Fallback reports whether the answer is not from the first choice.
func (a Answer) Fallback() bool { return a.After != AfterNothing }

// answer returns a rendered answer that holds a number of places.
func answer(provider, contentType string, body []byte, places int) Answer {
	a := Answer{
		Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: Found, Provider: provider,
	}
	if places == 0 {
		a.Outcome = Empty
	}
	return a
}

// list renders the answer to a search or a lookup.
func list(provider string, r request.Request, places []place.Place, o place.Options) Answer {
	contentType, body := place.RenderList(r.Format(), places, o)
	return answer(provider, contentType, body, len(places))
}

// single renders the answer to a reverse request; p is nil where nothing was
// found.
func single(provider string, r request.Request, p *place.Place, o place.Options) Answer {
	contentType, body := place.RenderOne(r.Format(), p, o)
	if p == nil {
		return answer(provider, contentType, body, 0)
	}
	return answer(provider, contentType, body, 1)
}

// Refuse renders a refusal.
func Refuse(provider string, why *request.BadRequest) Answer {
	contentType, body := place.RenderError(why.Format, why.Status, why.Message)
	return Answer{Status: why.Status, ContentType: contentType, Body: body, Outcome: Refused, Provider: provider}
}

// options says how the answer to r is rendered.
func options(r request.Request, attribution place.Attribution) place.Options {
	q := r.Question()
	return place.Options{
		Attribution:    attribution,
		Time:           time.Now(),
		Query:          r.Echo(),
		AddressDetails: q.Has(request.AddressDetails),
		ExtraTags:      q.Has(request.ExtraTags),
		NameDetails:    q.Has(request.NameDetails),
		Entrances:      q.Has(request.Entrances),
	}
}

// A Kind makes the providers of one kind that are asked over the network.
type Kind struct {
	New       func(Server) Provider
	endpoints []request.Endpoint // that it serves
}

// Serves reports whether providers of the kind have the endpoint at all.
func (k Kind) Serves(ep request.Endpoint) bool {
	return slices.Contains(k.endpoints, ep)
}

var kinds = map[string]Kind{
	"nominatim":  {New: newNominatim, endpoints: nominatimEndpoints},
	"photon":     {New: newForeign(photon), endpoints: append(foreignEndpoints, request.Suggest)},
	"pelias":     {New: newForeign(pelias), endpoints: append(foreignEndpoints, request.Suggest)},
	"locationiq": {New: newForeign(locationIQ), endpoints: foreignEndpoints},
	"opencage":   {New: newForeign(openCage), endpoints: foreignEndpoints},
}

// KindOf returns the kind of that name; ok is false where there is none.
func KindOf(name string) (k Kind, ok bool) {
	k, ok = kinds[name]
	return k, ok
}

// Kinds returns the names of all kinds, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

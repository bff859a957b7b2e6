// Package upstream asks geocoders. A [Chain] sends a client's request to the
// first provider of an ordered list that can answer, within the budgets and
// the terms of each.
//
// The rooms below it:
//
//   - request makes the requests of clients canonical: what is sent, what an
//     answer is cached by, and what it means;
//   - provider holds the geocoders, and judges what they say.
//
// What the rest of geogate needs of them has its name here, so that nobody
// else imports the rooms.
package upstream

import (
	"context"
	"net/url"

	"geogate/internal/budget"
	"geogate/internal/gazetteer"
	"geogate/internal/outbound"
	"geogate/internal/streets"
	"geogate/upstream/provider"
	"geogate/upstream/request"
)

type (
	// Request is a canonical request: what is sent upstream and what an answer
	// is cached by.
	Request = request.Request
	// Question is what a request asks for.
	Question = request.Question
	// Endpoint is one of the operations of the Nominatim API.
	Endpoint = request.Endpoint
	// BadRequest is a request that is refused.
	BadRequest = request.BadRequest //nolint:errname // reads like net/http.StatusBadRequest, which it becomes

	// Provider is one geocoder.
	Provider = provider.Provider
	// Answer is what a provider said, checked and ready to be passed on.
	Answer = provider.Answer
	// Outcome says what an answer amounts to.
	Outcome = provider.Outcome
	// After says why an answer does not come from the first choice.
	After = provider.After
	// Error is a failed call, or one that was not made.
	Error = provider.Error

	// Lane says for whom a call is made.
	Lane = budget.Lane
	// BudgetState tells how scarce the calls to a provider are.
	BudgetState = budget.State
	// Redis is the client that budgets are counted with.
	Redis = budget.Redis

	// Rate is a number of calls in a time.
	Rate = outbound.Rate
	// Charge is who pays for the calls that a request causes.
	Charge = outbound.Charge
	// ChargeError is a call that was not made because who pays for it has
	// nothing left.
	ChargeError = outbound.ChargeError
)

// The endpoints that Nominatim 5.3 serves, and Suggest.
const (
	Search    = request.Search
	Reverse   = request.Reverse
	Lookup    = request.Lookup
	Details   = request.Details
	Status    = request.Status
	Deletable = request.Deletable
	Polygons  = request.Polygons
	Suggest   = request.Suggest
)

// What an answer amounts to.
const (
	Found   = provider.Found
	Empty   = provider.Empty
	Refused = provider.Refused
)

// Why an answer does not come from the first choice.
const (
	AfterNothing = provider.AfterNothing
	AfterEmpty   = provider.AfterEmpty
	AfterError   = provider.AfterError
)

// For whom a call is made.
const (
	People  = budget.People
	Bulk    = budget.Bulk
	Refresh = budget.Refresh
)

// The kinds of failure, to be told apart with errors.Is.
var (
	ErrThrottled     = provider.ErrThrottled
	ErrUnavailable   = provider.ErrUnavailable
	ErrTimeout       = provider.ErrTimeout
	ErrInvalidAnswer = provider.ErrInvalidAnswer
	ErrBudget        = provider.ErrBudget
	ErrForbidden     = provider.ErrForbidden
)

// DefaultRedisPatience bounds one question to Redis.
const DefaultRedisPatience = budget.DefaultRedisPatience

// Canonical returns the canonical form of a request; see [request.Canonical].
func Canonical(ep Endpoint, query url.Values, acceptLanguage string) (Request, error) {
	return request.Canonical(ep, query, acceptLanguage)
}

// ParseQuery reads a raw query as Nominatim's server does.
func ParseQuery(raw string) url.Values { return request.ParseQuery(raw) }

// NewGazetteer returns the provider that answers from the places built into
// the binary; it goes into Config.Gazetteer. See [provider.NewGazetteer].
func NewGazetteer(g *gazetteer.Gazetteer, version string) Provider {
	return provider.NewGazetteer(g, version)
}

// NewStreets returns the provider that answers from streets files; Config.Files
// makes it. See [provider.NewStreets].
func NewStreets(l *streets.Library, name, version string) Provider {
	return provider.NewStreets(l, name, version)
}

// WithRaised returns a context whose calls move to the lane of People when
// raised is closed, even while they wait for budget in another lane.
func WithRaised(ctx context.Context, raised <-chan struct{}) context.Context {
	return budget.WithRaised(ctx, raised)
}

// DefaultTimeout bounds one call to a provider unless its timeout= says
// otherwise.
const DefaultTimeout = outbound.DefaultTimeout

// WithCharge returns a context whose calls are charged to c; nil: to nobody.
func WithCharge(ctx context.Context, c *Charge) context.Context { return outbound.WithCharge(ctx, c) }

// ChargeOf returns what WithCharge has put into a context, or nil.
func ChargeOf(ctx context.Context) *Charge { return outbound.ChargeOf(ctx) }

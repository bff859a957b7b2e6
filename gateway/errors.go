package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"geogate/cache"
	"geogate/dispatch"
	"geogate/gateway/exchange"
	"geogate/internal/bulk"
	"geogate/internal/event"
	"geogate/internal/fleet"
	"geogate/internal/identity"
	"geogate/internal/webhook"
	"geogate/upstream"
)

// This file is the only place that turns the errors of the engines into status
// codes. A test walks their exported errors and fails on one without a line here.

// A meaning is what clients are told of an error.
type meaning struct {
	err    error
	status int
	code   string
	detail string
	hint   string
}

// meanings are looked through in order.
var meanings = []meaning{
	{upstream.ErrForbidden, http.StatusForbidden, "forbidden_by_provider", "the geocoder's terms of use forbid this request", ""},
	{upstream.ErrBudget, http.StatusServiceUnavailable, "out_of_budget", "the geocoder's budget is used up for the moment", ""},
	{upstream.ErrThrottled, http.StatusServiceUnavailable, "upstream_throttled", "the geocoder asks for a pause", ""},
	{upstream.ErrTimeout, http.StatusGatewayTimeout, "upstream_timeout", "the geocoder did not answer in time", ""},
	{upstream.ErrInvalidAnswer, http.StatusBadGateway, "upstream_invalid", "the geocoder's answer makes no sense", ""},
	{upstream.ErrUnavailable, http.StatusServiceUnavailable, "upstream_unavailable", "the geocoder cannot be reached", ""},
	{cache.ErrUnavailable, http.StatusServiceUnavailable, "redis_unavailable", "this needs Redis, which does not answer", ""},
	{cache.ErrNotStorable, http.StatusBadRequest, "not_storable", "the answer must not be stored, or has expired", ""},
	{cache.ErrFillPanicked, http.StatusInternalServerError, "internal", "geogate failed on this request", ""},
	{cache.ErrNotCached, http.StatusGatewayTimeout, "not_cached", "the answer is not in the cache, and only-if-cached forbids asking the geocoder", ""},

	{fleet.ErrCachedOnly, http.StatusServiceUnavailable, "cached_only", "geogate asks no geocoder at present, and has no answer to this stored", ""},
	{fleet.ErrReadOnly, http.StatusServiceUnavailable, "read_only", "geogate takes no new rides at present", ""},
	{fleet.ErrUnavailable, http.StatusServiceUnavailable, "redis_unavailable", "what the fleet agrees on is in Redis, which does not answer", ""},

	{dispatch.ErrNotFound, http.StatusNotFound, "not_found", "unknown, or no longer kept", ""},
	{dispatch.ErrTooLate, http.StatusConflict, "too_late", "the ride is too far along for this", ""},
	{dispatch.ErrDriverEngaged, http.StatusConflict, "driver_engaged", "the driver is reserved for a ride or busy with one", "complete or cancel the ride first"},
	{dispatch.ErrInvalid, http.StatusBadRequest, "invalid_input", "the request cannot be understood", ""},
	{dispatch.ErrRiderCap, http.StatusTooManyRequests, "too_many_rides", "this rider already has as many live rides as allowed", "cancel or complete one first"},
	{dispatch.ErrRideCap, http.StatusServiceUnavailable, "too_many_rides", "as many rides are live as this geogate allows", ""},
	{dispatch.ErrBacklog, http.StatusServiceUnavailable, "events_backlog", "too many events wait to be handed on, so no ride can begin", "rides under way go on; see the log of geogate for what holds the events up"},
	{dispatch.ErrKeyReused, http.StatusUnprocessableEntity, "idempotency_key_reused", "this Idempotency-Key was used for another request", "use a new key for every ride"},
	{dispatch.ErrKeyInFlight, http.StatusConflict, "idempotency_key_in_flight", "the first request with this Idempotency-Key is still under way", "repeat in a second"},
	{dispatch.ErrUnavailable, http.StatusServiceUnavailable, "redis_unavailable", "dispatch needs Redis, which does not answer", ""},

	{webhook.ErrInvalid, http.StatusBadRequest, "invalid_subscription", "the url, types or ttl cannot be used", ""},
	{webhook.ErrForbiddenTarget, http.StatusUnprocessableEntity, "forbidden_target", "webhooks must not be sent there", "use https on port 443 of a public address; WEBHOOK_ALLOW_CIDRS opens others"},
	{webhook.ErrUnresolved, http.StatusUnprocessableEntity, "unresolved_name", "the host name in the url has no address", "check its spelling and its DNS records"},
	{webhook.ErrNotFound, http.StatusNotFound, "not_found", "unknown, or no longer kept", "a subscriber whose ttl has run out has to register again"},
	{webhook.ErrFull, http.StatusServiceUnavailable, "too_many_subscribers", "there are as many subscribers as this geogate allows", ""},
	{webhook.ErrUnavailable, http.StatusServiceUnavailable, "redis_unavailable", "events need Redis, which does not answer", ""},
	{event.ErrInvalid, http.StatusBadRequest, "invalid_event", "the event, type or id is not well-formed", ""},
	{event.ErrReserved, http.StatusUnprocessableEntity, "reserved_type", "only geogate itself publishes events of this type", "choose a type of your own, such as news.flash"},
	{event.ErrKeyReused, http.StatusUnprocessableEntity, "idempotency_key_reused", "this Idempotency-Key was used for another event", "use a new key for every event"},
	{event.ErrUnavailable, http.StatusServiceUnavailable, "redis_unavailable", "events need Redis, which does not answer", ""},
	{bulk.ErrNotFound, http.StatusNotFound, "not_found", "unknown, deleted, or no longer kept", ""},
	{bulk.ErrUnfinished, http.StatusConflict, "job_unfinished", "the job has no complete result yet", "wait for it, or get what there is with ?partial=1"},
	{bulk.ErrTooLarge, http.StatusRequestEntityTooLarge, "upload_too_large", "the upload is larger than a job may be", "split it"},
	{bulk.ErrInvalid, http.StatusBadRequest, "invalid_upload", "the upload cannot be understood", ""},
	{bulk.ErrNoRoom, http.StatusServiceUnavailable, "redis_filling_up", "Redis is filling up, and what is left is kept for dispatch", "delete jobs that are done, or wait until they expire"},
	{bulk.ErrClientFull, http.StatusTooManyRequests, "too_many_jobs", "this client has as many jobs, or as many bytes in them, as geogate keeps for one", "delete a job that you no longer need, or wait until one expires"},
	{bulk.ErrFull, http.StatusServiceUnavailable, "jobs_full", "geogate keeps as many jobs, or as many bytes in them, as it may", "try again later; jobs make room when they are deleted or expire"},
	{bulk.ErrUnavailable, http.StatusServiceUnavailable, "job_store_unavailable", "jobs need their store, which does not answer or is full", ""},

	{identity.ErrUnavailable, http.StatusServiceUnavailable, "credential_unchecked", "the credential cannot be checked now", ""},
	{identity.ErrKeyNotFound, http.StatusNotFound, "not_found", "there is no such key", ""},
	{identity.ErrTooManyKeys, http.StatusServiceUnavailable, "too_many_keys", "there are as many keys as this geogate allows", "revoke those that nobody uses"},
	{identity.ErrNoSecret, http.StatusNotImplemented, "no_token_secret", "geogate has no secret to sign tokens with", "set TOKEN_SECRET to at least 32 random bytes, the same on every process"},

	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", "this took too long", ""},
	{context.Canceled, statusClientClosed, "client_closed", "the client went away", ""},
}

// statusClientClosed is nginx's code for a client that left; it only ever
// shows in the log.
const statusClientClosed = 499

// unavailableFor is the pause suggested when nobody below knows better.
const unavailableFor = 2 * time.Second

// problemOf is the problem to answer err with. An error without a meaning is a
// fault of geogate.
func problemOf(err error) *exchange.Problem {
	var known *exchange.Problem
	var bad *upstream.BadRequest
	var late *dispatch.StateError
	var invalid *dispatch.InputError
	var unfinished *bulk.StateError
	var limit *bulk.LimitError
	var upload *bulk.InputError
	var spent *identity.BudgetError
	var credential *identity.InputError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, identity.ErrMalformedKey):
		return errMalformedKey
	case errors.Is(err, identity.ErrInvalid):
		return errInvalidToken
	case errors.As(err, &spent):
		p := exchange.NewProblem(http.StatusTooManyRequests, "upstream_budget_spent", "the upstream calls of this key are used up; cached answers go on")
		p.RetryAfter = spent.RetryAfter
		return p
	case errors.As(err, &credential):
		return exchange.BadRequest("invalid_credential_request", credential.Error())
	case errors.As(err, &bad):
		return exchange.NewProblem(bad.Status, "bad_request", bad.Message)
	case errors.As(err, &invalid) && invalid.Code == dispatch.CodeOutside:
		return exchange.NewProblem(http.StatusUnprocessableEntity, invalid.Code, invalid.Detail).WithHint("GET /v2/regions lists the regions")
	case errors.As(err, &invalid):
		return exchange.BadRequest(invalid.Code, invalid.Detail)
	case errors.As(err, &unfinished):
		return jobUnfinished(unfinished)
	case errors.As(err, &limit):
		return exchange.NewProblem(http.StatusRequestEntityTooLarge, "upload_too_large", limit.Error()).WithHint("split the file")
	case errors.As(err, &upload):
		return exchange.BadRequest(upload.Code, upload.Detail).WithHint(upload.Hint)
	case bulk.IsBodyError(err):
		return exchange.BadRequest("incomplete_body", "the body ended early or arrived too slowly")
	case errors.As(err, &late):
		p := exchange.NewProblem(http.StatusConflict, "too_late", "the ride is already "+string(late.Ride.State))
		p.State = string(late.Ride.State)
		return p
	}
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			p := exchange.NewProblem(m.status, m.code, m.detail)
			p.Hint, p.RetryAfter = m.hint, pauseAfter(err)
			if wrong, ok := errors.AsType[*event.InputError](err); ok {
				p.Detail = wrong.Detail
			}
			return p
		}
	}
	return exchange.NewProblem(http.StatusInternalServerError, "internal", "geogate failed on this request")
}

// pauseAfter is what Retry-After should say: the upstream's own word, if any.
func pauseAfter(err error) time.Duration {
	var failed *upstream.Error
	if errors.As(err, &failed) && failed.RetryAfter > 0 {
		return failed.RetryAfter
	}
	return unavailableFor
}

// jobUnfinished says in which state a job is that has no result.
func jobUnfinished(err *bulk.StateError) *exchange.Problem {
	p := exchange.NewProblem(http.StatusConflict, "job_unfinished", err.Error()).
		WithHint("wait for state finished, or get what there is with ?partial=1")
	p.State = string(err.State)
	return p
}

// A finder geocodes on the way to something else.
type finder[T any] func(http.ResponseWriter, *http.Request, T) (place exchange.Place, cached bool, err error)

// onTheWay tells of a failed geocode where it was a step on the way to something
// else: whatever the geocoder did, nothing has come of the request, and the same
// one may succeed later.
func onTheWay[T any](find finder[T]) finder[T] {
	kinds := []error{upstream.ErrTimeout, upstream.ErrInvalidAnswer, context.DeadlineExceeded}
	return func(w http.ResponseWriter, r *http.Request, what T) (exchange.Place, bool, error) {
		place, cached, err := find(w, r, what)
		if err == nil || !slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }) {
			return place, cached, err
		}
		told := *problemOf(err)
		told.Status, told.Title = http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable)
		return place, cached, fmt.Errorf("%w: %w", &told, err)
	}
}

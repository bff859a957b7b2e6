package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"geogate/internal/event"
	"geogate/internal/webhook"
)

// registered is a subscriber as he himself is answered: with his secret.
type registered struct {
	ID        string         `json:"id"`
	URL       string         `json:"url"`
	Types     event.Patterns `json:"types"`
	Secret    string         `json:"secret"`
	ExpiresAt wireTime       `json:"expires_at"`
	// OldSecretUntil is until when deliveries are signed with the secret before
	// this one as well.
	OldSecretUntil *wireTime `json:"old_secret_until,omitempty"`
}

func newRegistered(s webhook.Subscriber) registered {
	return registered{
		ID: s.ID, URL: s.URL, Types: s.Types, Secret: s.Secret, ExpiresAt: wireTime(s.ExpiresAt),
		OldSecretUntil: optionalTime(s.OldSecretUntil),
	}
}

// shownSubscriber is a subscriber as everybody else sees him.
type shownSubscriber struct {
	ID              string             `json:"id"`
	URL             string             `json:"url"`
	Types           event.Patterns     `json:"types"`
	State           webhook.State      `json:"state"`
	Reason          string             `json:"reason,omitempty"`
	TTL             string             `json:"ttl"`
	RegisteredAt    wireTime           `json:"registered_at"`
	LastKeepaliveAt wireTime           `json:"last_keepalive_at"`
	ExpiresAt       wireTime           `json:"expires_at"`
	Counters        subscriberCounters `json:"counters"`
}

type subscriberCounters struct {
	Delivered   int64   `json:"delivered"`
	Failed      int64   `json:"failed"` // attempts
	Retried     int64   `json:"retried"`
	Dead        int64   `json:"dead"`
	Pending     int64   `json:"pending"`      // now
	DeadLetters int64   `json:"dead_letters"` // now
	LagSeconds  float64 `json:"lag_seconds"`  // age of the oldest pending delivery
}

func newShownSubscriber(s webhook.Subscriber) shownSubscriber {
	return shownSubscriber{
		ID: s.ID, URL: s.URL, Types: s.Types, State: s.State, Reason: s.Reason, TTL: s.TTL.String(),
		RegisteredAt: wireTime(s.RegisteredAt), LastKeepaliveAt: wireTime(s.LastKeepaliveAt), ExpiresAt: wireTime(s.ExpiresAt),
		Counters: subscriberCounters{s.Delivered, s.Failed, s.Retried, s.Dead, s.Pending, s.DeadLetters, s.Lag.Seconds()},
	}
}

func optionalTime(t time.Time) *wireTime {
	if t.IsZero() {
		return nil
	}
	wire := wireTime(t)
	return &wire
}

// subscribe registers a subscriber, or renews the one with the same URL.
func (g *Gateway) subscribe(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	var body struct {
		URL   string         `json:"url"`
		Types event.Patterns `json:"types"`
		TTL   *lifetime      `json:"ttl"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	if body.URL == "" {
		return badRequest("missing_url", "url is needed").withHint("where events are to be posted, such as https://app.example.org/event")
	}
	registration := webhook.Registration{URL: body.URL, Types: body.Types}
	if body.TTL != nil {
		registration.TTL = time.Duration(*body.TTL)
		if registration.TTL < webhook.MinTTL || registration.TTL > webhook.MaxTTL {
			return errInvalidTTL
		}
	}
	s, created, err := g.events.Subscribers.Register(r.Context(), registration)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", "/events/subscribers/"+s.ID)
	}
	return g.respond(w, status, newRegistered(s))
}

var errInvalidTTL = badRequest("invalid_ttl", "ttl must be a duration from 1s to 24h").withHint(`such as "2m"`)

// lifetime is a duration on the wire: "2m", or a number of seconds.
type lifetime time.Duration

func (l *lifetime) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errInvalidTTL
		}
		*l = lifetime(d)
		return nil
	}
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || !(seconds >= 0 && seconds <= webhook.MaxTTL.Seconds()) {
		return errInvalidTTL
	}
	*l = lifetime(seconds * float64(time.Second))
	return nil
}

func (g *Gateway) listSubscribers(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	list, err := g.events.Subscribers.List(r.Context())
	if err != nil {
		return err
	}
	answer := struct {
		Subscribers []shownSubscriber `json:"subscribers"`
	}{make([]shownSubscriber, len(list))}
	for i, s := range list {
		answer.Subscribers[i] = newShownSubscriber(s)
	}
	return g.respond(w, http.StatusOK, answer)
}

func (g *Gateway) getSubscriber(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	s, err := g.events.Subscribers.Subscriber(r.Context(), id)
	if err != nil {
		return err
	}
	return g.respond(w, http.StatusOK, newShownSubscriber(s))
}

func (g *Gateway) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	if err := g.events.Subscribers.Unregister(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (g *Gateway) keepAlive(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	s, err := g.events.Subscribers.Keepalive(r.Context(), id)
	if err != nil {
		return err
	}
	return g.respond(w, http.StatusOK, struct {
		ID        string   `json:"id"`
		ExpiresAt wireTime `json:"expires_at"`
	}{s.ID, wireTime(s.ExpiresAt)})
}

// rotateSecret gives a subscriber a new secret. The old one signs beside it for
// a day, so that receivers can change over at leisure.
func (g *Gateway) rotateSecret(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	s, err := g.events.Subscribers.Rotate(r.Context(), id)
	if err != nil {
		return err
	}
	return g.respond(w, http.StatusOK, newRegistered(s))
}

func (g *Gateway) testSubscriber(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	delivery, err := g.events.Subscribers.Test(r.Context(), id)
	if err != nil {
		return err
	}
	return g.respond(w, http.StatusAccepted, accepted{delivery})
}

func (g *Gateway) redeliver(w http.ResponseWriter, r *http.Request) error {
	id, err := subscriberOf(r)
	if err != nil {
		return err
	}
	delivery, err := pathParam(r, "delivery")
	if err != nil {
		return err
	}
	if err := g.events.Subscribers.Redeliver(r.Context(), id, delivery); err != nil {
		return err
	}
	return g.respond(w, http.StatusAccepted, accepted{delivery})
}

const (
	defaultDeliveries = 50
	maxDeliveries     = 100
)

// shownDelivery is an event on its way to a subscriber. What his endpoint
// answered is not shown, but for its status: it might come from a place that
// the one who asks cannot reach himself.
type shownDelivery struct {
	ID        string                `json:"id"`
	Type      string                `json:"type"`
	State     webhook.DeliveryState `json:"state"`
	Reason    string                `json:"reason,omitempty"`
	CreatedAt wireTime              `json:"created_at"`
	NextAt    *wireTime             `json:"next_attempt_at"`
	Attempts  []shownAttempt        `json:"attempts"`
}

type shownAttempt struct {
	At     wireTime `json:"at"`
	Status *int     `json:"status"` // null: there was no answer
	Error  string   `json:"error,omitempty"`
	TookMS int64    `json:"duration_ms"`
}

func (g *Gateway) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "state", "limit")
	if err != nil {
		return err
	}
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	limit := defaultDeliveries
	if value := query.Get("limit"); value != "" {
		if limit, err = strconv.Atoi(value); err != nil || limit < 1 || limit > maxDeliveries {
			return badRequest("invalid_limit", fmt.Sprintf("limit must be from 1 to %d", maxDeliveries))
		}
	}
	var states []webhook.DeliveryState
	switch state := webhook.DeliveryState(query.Get("state")); state {
	case "":
	case webhook.Pending, webhook.Delivered, webhook.Dead:
		states = append(states, state)
	default:
		return badRequest("invalid_state", "state must be pending, delivered or dead")
	}
	list, err := g.events.Subscribers.Deliveries(r.Context(), id, limit, states...)
	if err != nil {
		return err
	}
	answer := struct {
		Deliveries []shownDelivery `json:"deliveries"`
	}{[]shownDelivery{}}
	for _, d := range list[:min(limit, len(list))] {
		answer.Deliveries = append(answer.Deliveries, newShownDelivery(d))
	}
	return g.respond(w, http.StatusOK, answer)
}

func newShownDelivery(d webhook.Delivery) shownDelivery {
	shown := shownDelivery{
		ID: d.ID, Type: d.Type, State: d.State, Reason: d.Reason, CreatedAt: wireTime(d.CreatedAt),
		NextAt: optionalTime(d.NextAt), Attempts: make([]shownAttempt, len(d.Attempts)),
	}
	for i, a := range d.Attempts {
		shown.Attempts[i] = shownAttempt{At: wireTime(a.At), Error: a.Error, TookMS: a.Took.Milliseconds()}
		if a.Status != 0 {
			shown.Attempts[i].Status = &a.Status
		}
	}
	return shown
}

// subscriberOf is the subscriber in the path of an endpoint that takes no query.
func subscriberOf(r *http.Request) (id string, err error) {
	if err := noParameters(r); err != nil {
		return "", err
	}
	return pathParam(r, "id")
}

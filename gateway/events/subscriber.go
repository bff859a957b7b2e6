package events

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/event"
	"geogate/internal/webhook"
)

// registered is a subscriber as the subscriber itself sees it: with the secret.
type registered struct {
	ID        string         `json:"id"`
	URL       string         `json:"url"`
	Types     event.Patterns `json:"types"`
	Secret    string         `json:"secret"`
	ExpiresAt *exchange.Time `json:"expires_at"` // null: never
	// OldSecretUntil is how long deliveries are also signed with the previous
	// secret.
	OldSecretUntil *exchange.Time `json:"old_secret_until,omitempty"`
}

func newRegistered(s webhook.Subscriber) registered {
	return registered{
		ID: s.ID, URL: s.URL, Types: s.Types, Secret: s.Secret, ExpiresAt: exchange.OptionalTime(s.ExpiresAt),
		OldSecretUntil: exchange.OptionalTime(s.OldSecretUntil),
	}
}

// shownSubscriber is a subscriber as everybody else sees it.
type shownSubscriber struct {
	ID              string             `json:"id"`
	URL             string             `json:"url"`
	Types           event.Patterns     `json:"types"`
	State           webhook.State      `json:"state"`
	Reason          string             `json:"reason,omitempty"`
	TTL             string             `json:"ttl"`
	Keepalive       bool               `json:"keepalive"` // false: it needs none
	RegisteredAt    exchange.Time      `json:"registered_at"`
	LastKeepaliveAt exchange.Time      `json:"last_keepalive_at"`
	ExpiresAt       *exchange.Time     `json:"expires_at"` // null: never
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
		ID: s.ID, URL: s.URL, Types: s.Types, State: s.State, Reason: s.Reason, TTL: s.TTL.String(), Keepalive: !s.Forever,
		RegisteredAt: exchange.Time(s.RegisteredAt), LastKeepaliveAt: exchange.Time(s.LastKeepaliveAt), ExpiresAt: exchange.OptionalTime(s.ExpiresAt),
		Counters: subscriberCounters{s.Delivered, s.Failed, s.Retried, s.Dead, s.Pending, s.DeadLetters, s.Lag.Seconds()},
	}
}

// Subscribe registers a subscriber, or renews the one with the same URL.
func (a *API) Subscribe(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	var body struct {
		URL   string         `json:"url"`
		Types event.Patterns `json:"types"`
		TTL   *lifetime      `json:"ttl"`
		// Keepalive false: for receivers that cannot renew, such as functions that run
		// only while they are called.
		Keepalive *bool `json:"keepalive"`
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	if body.URL == "" {
		return exchange.BadRequest("missing_url", "url is required").WithHint("where to post events, such as https://app.example.org/event")
	}
	registration := webhook.Registration{URL: body.URL, Types: body.Types}
	if body.Keepalive != nil {
		forever := !*body.Keepalive
		registration.Forever = &forever
		if forever && body.TTL != nil {
			return exchange.BadRequest("invalid_ttl", "a subscription without keepalives has no ttl").WithHint("send either ttl or keepalive: false")
		}
	}
	if body.TTL != nil {
		registration.TTL = time.Duration(*body.TTL)
		if registration.TTL < webhook.MinTTL || registration.TTL > webhook.MaxTTL {
			return errInvalidTTL
		}
	}
	s, created, err := a.engine.Subscribers.Register(r.Context(), registration)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", "/events/subscribers/"+s.ID)
	}
	return exchange.Respond(w, status, newRegistered(s))
}

var errInvalidTTL = exchange.BadRequest("invalid_ttl", "ttl must be a duration from 1s to 24h").WithHint(`such as "2m"`)

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

// Subscribers lists them all.
func (a *API) Subscribers(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	list, err := a.engine.Subscribers.List(r.Context())
	if err != nil {
		return err
	}
	answer := struct {
		Subscribers []shownSubscriber `json:"subscribers"`
	}{make([]shownSubscriber, len(list))}
	for i, s := range list {
		answer.Subscribers[i] = newShownSubscriber(s)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// Subscriber shows one of them.
func (a *API) Subscriber(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	s, err := a.engine.Subscribers.Subscriber(r.Context(), id)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, newShownSubscriber(s))
}

// Unsubscribe ends a subscription.
func (a *API) Unsubscribe(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	if err := a.engine.Subscribers.Unregister(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// KeepAlive renews a subscription for its ttl.
func (a *API) KeepAlive(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	s, err := a.engine.Subscribers.Keepalive(r.Context(), id)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, struct {
		ID        string         `json:"id"`
		ExpiresAt *exchange.Time `json:"expires_at"`
	}{s.ID, exchange.OptionalTime(s.ExpiresAt)})
}

// RotateSecret gives a subscriber a new secret. The old one is used beside it
// for a day, so that receivers have time to change over.
func (a *API) RotateSecret(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	s, err := a.engine.Subscribers.Rotate(r.Context(), id)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, newRegistered(s))
}

// Test sends a subscriber a test event.
func (a *API) Test(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	delivery, err := a.engine.Subscribers.Test(r.Context(), id)
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusAccepted, accepted{delivery})
}

package events

import (
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/webhook"
)

const (
	defaultDeliveries = 50
	maxDeliveries     = 100
)

// shownDelivery is an event on its way to a subscriber. Of what the endpoint
// answered it shows the status only: the answer may come from a place that the
// client cannot reach itself.
type shownDelivery struct {
	ID        string                `json:"id"`
	Type      string                `json:"type"`
	State     webhook.DeliveryState `json:"state"`
	Reason    string                `json:"reason,omitempty"`
	CreatedAt exchange.Time         `json:"created_at"`
	NextAt    *exchange.Time        `json:"next_attempt_at"`
	Attempts  []shownAttempt        `json:"attempts"`
}

type shownAttempt struct {
	At     exchange.Time `json:"at"`
	Status *int          `json:"status"` // null: there was no answer
	Error  string        `json:"error,omitempty"`
	TookMS int64         `json:"duration_ms"`
}

// Deliveries lists what was sent to a subscriber, or is going to be, newest first.
func (a *API) Deliveries(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "state", "limit")
	if err != nil {
		return err
	}
	id, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	limit, err := exchange.Limit(query, maxDeliveries, defaultDeliveries)
	if err != nil {
		return err
	}
	var states []webhook.DeliveryState
	switch state := webhook.DeliveryState(query.Get("state")); state {
	case "":
	case webhook.Pending, webhook.Delivered, webhook.Dead:
		states = append(states, state)
	default:
		return exchange.BadRequest("invalid_state", "state must be pending, delivered or dead")
	}
	list, err := a.engine.Subscribers.Deliveries(r.Context(), id, limit, states...)
	if err != nil {
		return err
	}
	answer := struct {
		Deliveries []shownDelivery `json:"deliveries"`
	}{[]shownDelivery{}}
	for _, d := range list[:min(limit, len(list))] {
		answer.Deliveries = append(answer.Deliveries, newShownDelivery(d))
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

func newShownDelivery(d webhook.Delivery) shownDelivery {
	shown := shownDelivery{
		ID: d.ID, Type: d.Type, State: d.State, Reason: d.Reason, CreatedAt: exchange.Time(d.CreatedAt),
		NextAt: exchange.OptionalTime(d.NextAt), Attempts: make([]shownAttempt, len(d.Attempts)),
	}
	for i, a := range d.Attempts {
		shown.Attempts[i] = shownAttempt{At: exchange.Time(a.At), Error: a.Error, TookMS: a.Took.Milliseconds()}
		if a.Status != 0 {
			shown.Attempts[i].Status = &a.Status
		}
	}
	return shown
}

// Redeliver sends a delivery again.
func (a *API) Redeliver(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	delivery, err := exchange.PathParam(r, "delivery")
	if err != nil {
		return err
	}
	if err := a.engine.Subscribers.Redeliver(r.Context(), id, delivery); err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusAccepted, accepted{delivery})
}

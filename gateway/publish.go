package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"

	"geogate/dispatch"
	"geogate/internal/event"
	"geogate/internal/webhook"
)

// Events is what the gateway needs to tell and to be told what happens.
type Events struct {
	Log         *event.Log
	Subscribers *webhook.Registry
}

// maxIdempotencyKey is as long as a key may be.
const maxIdempotencyKey = 255

// publishEvent takes in a publisher's own event. The same Idempotency-Key is
// the same event.
func (g *Gateway) publishEvent(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	var body struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	if body.Type == "" {
		return badRequest("missing_type", "type is needed").withHint("such as news.flash")
	}
	if err := event.CheckType(body.Type); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey {
		return badRequest("invalid_idempotency_key", fmt.Sprintf("Idempotency-Key is longer than %d bytes", maxIdempotencyKey))
	}
	if body.Data == nil {
		body.Data = json.RawMessage("null")
	}
	id, replayed, err := g.events.Log.Publish(r.Context(), event.Publication{Type: body.Type, Data: body.Data, Key: key})
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	return g.respond(w, http.StatusAccepted, accepted{id})
}

// accepted names what is going to be sent.
type accepted struct {
	ID string `json:"id"`
}

// RideJSON is a ride as GET /v2/requests/{id} shows it.
func RideJSON(ride dispatch.Ride) (json.RawMessage, error) { return json.Marshal(newWireRide(ride)) }

// DriverJSON is a driver as GET /v2/drivers/{id} shows him.
func DriverJSON(d dispatch.Driver) (json.RawMessage, error) {
	return json.Marshal(newTrackedDriver(d))
}

package events

import (
	"encoding/json"
	"fmt"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/event"
)

// maxIdempotencyKey is the length in bytes that a key may have.
const maxIdempotencyKey = 255

// Publish takes in a publisher's own event. The same Idempotency-Key is the same
// event.
func (a *API) Publish(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	var body struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	if body.Type == "" {
		return exchange.BadRequest("missing_type", "type is required").WithHint("such as news.flash")
	}
	if err := event.CheckType(body.Type); err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey {
		return exchange.BadRequest("invalid_idempotency_key", fmt.Sprintf("Idempotency-Key is longer than %d bytes", maxIdempotencyKey))
	}
	if body.Data == nil {
		body.Data = json.RawMessage("null")
	}
	id, replayed, err := a.engine.Log.Publish(r.Context(), event.Publication{Type: body.Type, Data: body.Data, Key: key})
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	return exchange.Respond(w, http.StatusAccepted, accepted{id})
}

// accepted names what will be sent.
type accepted struct {
	ID string `json:"id"`
}

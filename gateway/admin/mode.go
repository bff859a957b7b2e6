package admin

import (
	"context"
	"errors"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/fleet"
)

// modeOrder is a change of the mode.
type modeOrder struct {
	Mode         string  `json:"mode"`
	Reason       string  `json:"reason"`
	IfGeneration *uint64 `json:"if_generation"`
}

// modeReport is the mode on the wire.
type modeReport struct {
	Mode       fleet.Mode     `json:"mode"`
	Generation uint64         `json:"generation"`
	Reason     string         `json:"reason"`
	SetBy      string         `json:"set_by"`
	SetAt      *exchange.Time `json:"set_at"` // null when nobody has set it
	Members    []modeMember   `json:"members"`
}

type modeMember struct {
	Name       string `json:"name"`
	Generation uint64 `json:"generation"`
}

// Mode tells the mode of the fleet, and what each member knows of it.
func (a *API) Mode(w http.ResponseWriter, r *http.Request) error {
	return exchange.Respond(w, http.StatusOK, a.report(r.Context(), a.fleet.Value()))
}

// SetMode changes the mode of the fleet.
func (a *API) SetMode(w http.ResponseWriter, r *http.Request) error {
	var order modeOrder
	if err := exchange.Decode(w, r, &order); err != nil {
		return err
	}
	mode, ok := fleet.ParseMode(order.Mode)
	if !ok {
		return exchange.BadRequest("invalid_mode", "mode must be normal, cached_only or read_only")
	}
	if len(order.Reason) > fleet.MaxReason {
		return exchange.BadRequest("invalid_reason", "reason must have at most 256 bytes")
	}
	v, err := a.fleet.Set(r.Context(), fleet.Change{Mode: mode, Reason: order.Reason, By: setter(r), IfGeneration: order.IfGeneration})
	if conflict, ok := errors.AsType[*fleet.ConflictError](err); ok {
		return exchange.Respond(w, http.StatusConflict, a.report(r.Context(), conflict.Present))
	}
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, a.report(r.Context(), v))
}

func (a *API) report(ctx context.Context, v fleet.Value) modeReport {
	report := modeReport{Mode: v.Mode, Generation: v.Generation, Reason: v.Reason, SetBy: v.SetBy, SetAt: exchange.OptionalTime(v.SetAt)}
	for _, m := range a.fleet.Members(ctx) {
		report.Members = append(report.Members, modeMember(m))
	}
	return report
}

// setter is what is told of who changes the mode: the subject of a key, or the
// kind of credential.
func setter(r *http.Request) string {
	c := exchange.Of(r).Caller
	switch {
	case c == nil:
		return ""
	case c.Subject != "":
		return c.Subject
	default:
		return c.Kind.String()
	}
}

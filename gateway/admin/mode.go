package admin

import (
	"errors"
	"fmt"
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
	return exchange.Respond(w, http.StatusOK, a.report(r, a.fleet.Value()))
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
		return exchange.Respond(w, http.StatusConflict, a.report(r, conflict.Present))
	}
	if err != nil {
		return err
	}
	return exchange.Respond(w, http.StatusOK, a.report(r, v))
}

// report tells the mode. While Redis does not answer it lists this process alone.
func (a *API) report(r *http.Request, v fleet.Value) modeReport {
	report := modeReport{Mode: v.Mode, Generation: v.Generation, Reason: v.Reason, SetBy: v.SetBy, SetAt: exchange.OptionalTime(v.SetAt)}
	members, err := a.fleet.Members(r.Context())
	exchange.Of(r).Failure = err
	for _, m := range members {
		report.Members = append(report.Members, modeMember{m.Name, m.Generation})
	}
	return report
}

// Fleet lists the processes.
func (a *API) Fleet(w http.ResponseWriter, r *http.Request) error {
	members, err := a.fleet.Members(r.Context())
	if err != nil {
		return fmt.Errorf("list members: %w", err)
	}
	wire := make([]memberReport, len(members))
	for i, m := range members {
		wire[i] = memberReport{m.Name, m.Address, m.Status, m.Version, exchange.Time(m.StartedAt), m.Generation}
	}
	return exchange.Respond(w, http.StatusOK, struct {
		Members []memberReport `json:"members"`
	}{wire})
}

// memberReport is a process on the wire.
type memberReport struct {
	Name       string        `json:"name"`
	Address    string        `json:"address"`
	Status     string        `json:"status"`
	Version    string        `json:"version"`
	StartedAt  exchange.Time `json:"started_at"`
	Generation uint64        `json:"generation"`
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

// Package roads is the room of ways: how long it takes to get somewhere by road.
package roads

import (
	"errors"
	"fmt"
	"math"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/internal/outbound"
	"geogate/internal/routing"
)

const (
	// A large table is one above smallTable pairs. It takes some 10 MiB and as many
	// commands of Redis as it has cells, times five: 80 MiB for all of them.
	smallTable         = 1000
	maxLargeTables     = 8
	maxTablesPerClient = 2
)

// API answers questions about ways over HTTP. It is safe for concurrent use.
type API struct {
	router *routing.Router
	charge func(*http.Request) *outbound.Charge
	large  *exchange.Shares
}

// New returns the API of router. charge says who pays for what a request causes.
func New(router *routing.Router, charge func(*http.Request) *outbound.Charge) *API {
	return &API{router, charge, exchange.NewShares(maxLargeTables, maxTablesPerClient)}
}

// table is the answer to a question about many ways. null is a way that does not
// exist, or that begins or ends near no road: an estimate cannot be compared with the others.
type table struct {
	Durations [][]*float64 `json:"durations_s"`
	Distances [][]*float64 `json:"distances_m"`
	Source    string       `json:"source"`
	Cache     counts       `json:"cache"`
}

type counts struct {
	Hits   int `json:"hits"`
	Misses int `json:"misses"`
}

// ETA answers how long the way is from each of some points to each of others.
func (a *API) ETA(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		From []exchange.Coordinates `json:"from"`
		To   []exchange.Coordinates `json:"to"`
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	from, err := points("from", body.From)
	if err != nil {
		return err
	}
	to, err := points("to", body.To)
	if err != nil {
		return err
	}
	if len(from)*len(to) > smallTable {
		done, err := a.large.Take(exchange.Of(r).Counted())
		switch {
		case errors.Is(err, exchange.ErrShareTaken):
			return errBusyClient
		case err != nil:
			return errBusy
		}
		defer done()
	}
	found, err := a.router.Table(outbound.WithCharge(r.Context(), a.charge(r)), from, to)
	if err != nil {
		return fmt.Errorf("ask router: %w", err)
	}
	return exchange.Respond(w, http.StatusOK, wireTable(found))
}

var (
	errBusy = exchange.NewProblem(http.StatusServiceUnavailable, "too_many_large_tables",
		"as many large tables are being made as this geogate allows").
		WithHint(fmt.Sprintf("ask for up to %d pairs, or repeat later", smallTable))
	errBusyClient = exchange.NewProblem(http.StatusTooManyRequests, "too_many_large_tables",
		"this client asks for as many large tables at a time as one may").WithHint("ask for them one after the other")
)

// points checks one side of a question.
func points(field string, list []exchange.Coordinates) ([]geo.Point, error) {
	switch {
	case len(list) == 0:
		return nil, exchange.BadRequest("missing_points", field+" has no points").
			WithHint(`{"from":[{"lat":47.14,"lng":9.52}],"to":[{"lat":47.17,"lng":9.51}]}`)
	case len(list) > routing.MaxEnds:
		return nil, exchange.BadRequest("too_many_points", fmt.Sprintf("%s may have at most %d points", field, routing.MaxEnds))
	}
	out := make([]geo.Point, len(list))
	for i, c := range list {
		p, err := c.Point(false)
		if wrong, ok := errors.AsType[*exchange.Problem](err); ok {
			told := *wrong
			told.Detail = fmt.Sprintf("%s[%d]: %s", field, i, told.Detail)
			return nil, &told
		}
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

func wireTable(t routing.Table) table {
	wire := table{
		Durations: make([][]*float64, len(t.Cells)), Distances: make([][]*float64, len(t.Cells)),
		Source: t.Source, Cache: counts{t.Hits, t.Misses},
	}
	for i, row := range t.Cells {
		wire.Durations[i], wire.Distances[i] = make([]*float64, len(row)), make([]*float64, len(row))
		for j, c := range row {
			if !c.Unreachable && !c.OffRoad {
				s, m := tenths(c.Seconds), tenths(c.Metres)
				wire.Durations[i][j], wire.Distances[i][j] = &s, &m
			}
		}
	}
	return wire
}

// tenths rounds for the wire: no engine is more exact.
func tenths(v float64) float64 { return math.Round(v*10) / 10 }

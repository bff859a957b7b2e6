package rides

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// defaultPage is how many rides or drivers a page has when nobody says.
const defaultPage = 20

// List returns a page of the rides that are kept, newest first.
func (a *API) List(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "state", "driver", "rider", "region", "limit", "after")
	if err != nil {
		return err
	}
	states, err := statesOf(query, dispatch.RideStates())
	if err != nil {
		return err
	}
	limit, err := exchange.Limit(query, dispatch.MaxPage, defaultPage)
	if err != nil {
		return err
	}
	page, err := a.engine.Rides(r.Context(), dispatch.RideQuery{
		States: states, Driver: query.Get("driver"), Rider: query.Get("rider"), Region: query.Get("region"),
		Limit: limit, After: query.Get("after"),
	})
	if err != nil {
		return fmt.Errorf("list rides: %w", err)
	}
	answer := struct {
		Requests []wireRide `json:"requests"`
		Next     *string    `json:"next"`
	}{make([]wireRide, len(page.Rides)), nextPage(page.Next)}
	for i, ride := range page.Rides {
		answer.Requests[i] = newWireRide(ride)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// ListDrivers returns a page of the drivers that are known, in the order of their first report.
func (a *API) ListDrivers(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "state", "bbox", "limit", "after")
	if err != nil {
		return err
	}
	states, err := statesOf(query, dispatch.DriverStates())
	if err != nil {
		return err
	}
	limit, err := exchange.Limit(query, dispatch.MaxPage, defaultPage)
	if err != nil {
		return err
	}
	q := dispatch.DriverQuery{States: states, Limit: limit, After: query.Get("after")}
	if query.Has("bbox") {
		box, err := exchange.BoxOf(query.Get("bbox"))
		if err != nil {
			return err
		}
		q.Within = box.Contains
	}
	page, err := a.engine.Drivers(r.Context(), q)
	if err != nil {
		return fmt.Errorf("list drivers: %w", err)
	}
	answer := struct {
		Drivers []trackedDriver `json:"drivers"`
		Next    *string         `json:"next"`
	}{make([]trackedDriver, len(page.Drivers)), nextPage(page.Next)}
	for i, d := range page.Drivers {
		answer.Drivers[i] = newTrackedDriver(d)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// statesOf reads ?state=, one of those known or several with commas between them.
func statesOf[S ~string](query url.Values, known []S) ([]S, error) {
	if !query.Has("state") {
		return nil, nil
	}
	var states []S
	names := make([]string, len(known))
	for i, state := range known {
		names[i] = string(state)
	}
	for name := range strings.SplitSeq(query.Get("state"), ",") {
		if !slices.Contains(known, S(name)) {
			return nil, exchange.BadRequest("invalid_state", "state is not one that there is").WithHint("there are " + strings.Join(names, ", "))
		}
		states = append(states, S(name))
	}
	return states, nil
}

// nextPage is null behind the last page.
func nextPage(cursor string) *string {
	if cursor == "" {
		return nil
	}
	return &cursor
}

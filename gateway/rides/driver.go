package rides

import (
	"encoding/json"
	"fmt"
	"net/http"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// trackedDriver is all that is known of a driver. It always has all fields: what
// is unknown is empty, and request_id is null without a ride.
type trackedDriver struct {
	ID      string               `json:"id"`
	Lat     float64              `json:"lat"`
	Lng     float64              `json:"lng"`
	State   dispatch.DriverState `json:"state"`
	Vehicle string               `json:"vehicle"`
	Tags    []string             `json:"tags"`
	Region  string               `json:"region"`
	SeenAt  exchange.Time        `json:"seen_at"`
	motion
	RequestID *string `json:"request_id"`
	OnShift   bool    `json:"on_shift"`
}

func newTrackedDriver(d dispatch.Driver) trackedDriver {
	wire := trackedDriver{
		ID: d.ID, Lat: d.Point.Lat, Lng: d.Point.Lon, State: d.State, Vehicle: d.Vehicle,
		Tags: d.Tags, Region: d.Region, SeenAt: exchange.Time(d.SeenAt), motion: motion(d.Motion),
		OnShift: d.OnShift,
	}
	if wire.Tags == nil {
		wire.Tags = []string{}
	}
	if d.RideID != "" {
		wire.RequestID = &d.RideID
	}
	return wire
}

// Driver tells where a driver is and what they are doing. Without a region, all
// regions are searched for them.
func (a *API) Driver(w http.ResponseWriter, r *http.Request) error {
	id, region, err := driverOf(r)
	if err != nil {
		return err
	}
	d, err := a.engine.Driver(r.Context(), region, id)
	if err == nil && !a.seesDriver(r, d) {
		err = dispatch.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("get driver: %w", err)
	}
	exchange.Of(r).RideID = d.RideID
	return exchange.Respond(w, http.StatusOK, newTrackedDriver(d))
}

// ForgetDriver erases what is known of a driver, who goes offline.
func (a *API) ForgetDriver(w http.ResponseWriter, r *http.Request) error {
	id, region, err := driverOf(r)
	if err != nil {
		return err
	}
	if !isOwn(r, id) {
		return fmt.Errorf("delete driver: %w", dispatch.ErrNotFound)
	}
	if err := a.engine.DeleteDriver(r.Context(), region, id); err != nil {
		return fmt.Errorf("delete driver: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// driverOf reads which driver a request is about.
func driverOf(r *http.Request) (id, region string, err error) {
	query, err := exchange.Parameters(r.URL, "region")
	if err != nil {
		return "", "", err
	}
	id, err = exchange.PathParam(r, "id")
	return id, query.Get("region"), err
}

// DriverJSON is a driver as GET /v2/drivers/{id} shows them.
func DriverJSON(d dispatch.Driver) (json.RawMessage, error) { return json.Marshal(newTrackedDriver(d)) }

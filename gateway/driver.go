package gateway

import (
	"fmt"
	"net/http"

	"geogate/dispatch"
)

// trackedDriver is all that is known of a driver. It always has all fields:
// what is not known is empty, and request_id null without a ride.
type trackedDriver struct {
	ID        string               `json:"id"`
	Lat       float64              `json:"lat"`
	Lng       float64              `json:"lng"`
	State     dispatch.DriverState `json:"state"`
	Vehicle   string               `json:"vehicle"`
	Tags      []string             `json:"tags"`
	Region    string               `json:"region"`
	SeenAt    wireTime             `json:"seen_at"`
	RequestID *string              `json:"request_id"`
}

func newTrackedDriver(d dispatch.Driver) trackedDriver {
	wire := trackedDriver{
		ID: d.ID, Lat: d.Point.Lat, Lng: d.Point.Lon, State: d.State, Vehicle: d.Vehicle,
		Tags: d.Tags, Region: d.Region, SeenAt: wireTime(d.SeenAt),
	}
	if wire.Tags == nil {
		wire.Tags = []string{}
	}
	if d.RideID != "" {
		wire.RequestID = &d.RideID
	}
	return wire
}

// getDriver tells where a driver is and what he is doing. Without a region he
// is looked for in all of them.
func (g *Gateway) getDriver(w http.ResponseWriter, r *http.Request) error {
	id, region, err := driverOf(r)
	if err != nil {
		return err
	}
	d, err := g.engine.Driver(r.Context(), region, id)
	if err != nil {
		return fmt.Errorf("get driver: %w", err)
	}
	exchangeOf(r).rideID = d.RideID
	return g.respond(w, http.StatusOK, newTrackedDriver(d))
}

// deleteDriver erases what is known of a driver: he goes offline.
func (g *Gateway) deleteDriver(w http.ResponseWriter, r *http.Request) error {
	id, region, err := driverOf(r)
	if err != nil {
		return err
	}
	if err := g.engine.DeleteDriver(r.Context(), region, id); err != nil {
		return fmt.Errorf("delete driver: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// driverOf reads which driver a request is about.
func driverOf(r *http.Request) (id, region string, err error) {
	query, err := parameters(r.URL, "region")
	if err != nil {
		return "", "", err
	}
	id, err = pathParam(r, "id")
	return id, query.Get("region"), err
}

package rides

import (
	"context"
	"net/http"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// rideRef is the body of requests about a ride. Ids are strings; a number is
// accepted because some clients keep ids as numbers.
type rideRef struct {
	RequestID exchange.ID `json:"request_id"`
}

func (b rideRef) check() error {
	if b.RequestID == "" {
		return exchange.BadRequest("missing_request_id", "request_id is required")
	}
	return nil
}

// CancelNamed ends the ride that the body names, unless it has started.
func (a *API) CancelNamed(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		rideRef
		Reason string `json:"reason"`
	}
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	return respondRide(w, r)(a.engine.Cancel(as(r), string(body.RequestID), body.Reason))
}

// CompleteNamed ends the ride under way that the body names, and frees its driver.
func (a *API) CompleteNamed(w http.ResponseWriter, r *http.Request) error {
	var body rideRef
	if err := exchange.Decode(w, r, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	return respondRide(w, r)(a.engine.Complete(r.Context(), string(body.RequestID), dispatch.OwnerOf(as(r)).Driver))
}

// Cancel ends a ride that has not started.
func (a *API) Cancel(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := exchange.DecodeAny(w, r, &body); err != nil {
		return err
	}
	return respondRide(w, r)(a.engine.Cancel(as(r), id, body.Reason))
}

// Arrive tells that the driver is at the pickup.
func (a *API) Arrive(w http.ResponseWriter, r *http.Request) error {
	return step(w, r, a.engine.Arrive)
}

// Start tells that the rider is on board.
func (a *API) Start(w http.ResponseWriter, r *http.Request) error { return step(w, r, a.engine.Start) }

// Complete ends a ride under way and frees its driver.
func (a *API) Complete(w http.ResponseWriter, r *http.Request) error {
	return step(w, r, a.engine.Complete)
}

// driverRef is the body of a driver's steps.
type driverRef struct {
	DriverID exchange.ID `json:"driver_id"`
}

// step takes the ride in the path one step further, on its driver's behalf.
func step(w http.ResponseWriter, r *http.Request, take func(ctx context.Context, ride, driver string) (dispatch.Ride, error)) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	var body driverRef
	if err := exchange.DecodeAny(w, r, &body); err != nil {
		return err
	}
	if err := body.settle(r); err != nil {
		return err
	}
	return respondRide(w, r)(take(r.Context(), id, string(body.DriverID)))
}

// Release gives a ride back that has not started.
func (a *API) Release(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	var body struct {
		driverRef
		Reason string `json:"reason"`
	}
	if err := exchange.DecodeAny(w, r, &body); err != nil {
		return err
	}
	if err := body.settle(r); err != nil {
		return err
	}
	return respondRide(w, r)(a.engine.Release(r.Context(), id, string(body.DriverID), body.Reason))
}

// settle makes sure that the body names a driver whom the caller may be. To others,
// the rides and offers of a driver do not exist.
func (b *driverRef) settle(r *http.Request) error {
	if !own(r, &b.DriverID) {
		return dispatch.ErrNotFound
	}
	if b.DriverID == "" {
		return exchange.BadRequest("missing_driver_id", "driver_id is required: the driver whose ride or offer it is")
	}
	return nil
}

// respondRide answers with the ride that a step has led to.
func respondRide(w http.ResponseWriter, r *http.Request) func(dispatch.Ride, error) error {
	return func(ride dispatch.Ride, err error) error {
		if err != nil {
			return err
		}
		exchange.Of(r).RideID = ride.ID
		return exchange.Respond(w, http.StatusOK, newWireRide(ride))
	}
}

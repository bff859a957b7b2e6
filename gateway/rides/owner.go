package rides

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
	"geogate/internal/geo"
	"geogate/internal/identity"
)

var errNotYours = exchange.NewProblem(http.StatusForbidden, "not_yours", "the credential is somebody else's").
	WithHint("leave the id out, or give your own")

// as returns the context of r, bound to whom its credential is about.
func as(r *http.Request) context.Context {
	c := exchange.Of(r).Caller
	subject, bound := c.Own()
	if !bound {
		return r.Context()
	}
	var o dispatch.Owner
	if c.Has(identity.Ride) {
		o.Rider = subject
	}
	if c.Has(identity.Drive) {
		o.Driver = subject
	}
	return dispatch.As(r.Context(), o)
}

// own makes id that of the caller, if they are bound to one and gave none. It
// reports false when they gave another.
func own(r *http.Request, id *exchange.ID) bool {
	subject, bound := exchange.Of(r).Caller.Own()
	if !bound {
		return true
	}
	if *id == "" {
		*id = exchange.ID(subject)
	}
	return string(*id) == subject
}

// isOwn reports whether a caller may act as the driver with an id.
func isOwn(r *http.Request, driver string) bool {
	id := exchange.ID(driver)
	return own(r, &id)
}

// seesDriver reports whether a caller may see a driver: their own record, or that
// of the driver who has their ride.
func (a *API) seesDriver(r *http.Request, d dispatch.Driver) bool {
	c := exchange.Of(r).Caller
	subject, bound := c.Own()
	switch {
	case !bound, c.Has(identity.Drive) && d.ID == subject:
		return true
	case !c.Has(identity.Ride) || d.RideID == "" || d.State != dispatch.Busy:
		return false
	}
	_, err := a.engine.Ride(dispatch.As(r.Context(), dispatch.Owner{Rider: subject}), d.RideID)
	return err == nil
}

// blur makes what a caller learns of drivers who are not theirs too coarse to
// follow one of them from answer to answer: positions to three decimals, distances
// computed from those, whole seconds, and ids that are good for this answer only.
func blur(r *http.Request, from geo.Point, drivers []foundDriver) {
	if exchange.Of(r).Caller.Has(identity.Dispatch) {
		return
	}
	for i := range drivers {
		d := &drivers[i]
		d.Lat, d.Lng = thousandths(d.Lat), thousandths(d.Lng)
		d.DistanceM = centimetres(geo.Distance(from, geo.Point{Lat: d.Lat, Lon: d.Lng}))
		d.SeenAt = exchange.Time(time.Time(d.SeenAt).Truncate(time.Second))
		d.ID = alias()
	}
	slices.SortStableFunc(drivers, func(a, b foundDriver) int {
		switch {
		case a.DistanceM < b.DistanceM:
			return -1
		case a.DistanceM > b.DistanceM:
			return 1
		}
		return 0
	})
}

func thousandths(degrees float64) float64 { return math.Round(degrees*1000) / 1000 }

const aliasAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// alias is an id that means nothing. It has to be unlike the others of its answer,
// not secret.
func alias() string {
	id := [10]byte{}
	for i := range id {
		id[i] = aliasAlphabet[rand.IntN(len(aliasAlphabet))]
	}
	return "driver-" + string(id[:])
}

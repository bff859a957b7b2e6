package rides

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

// wireOffer asks a driver to take a ride.
type wireOffer struct {
	OfferID   string        `json:"offer_id"`
	RequestID string        `json:"request_id"`
	Pickup    point         `json:"pickup"`
	DistanceM float64       `json:"distance_m"`
	ExpiresAt exchange.Time `json:"expires_at"`
}

func newWireOffer(o dispatch.Offer) wireOffer {
	return wireOffer{
		OfferID: o.ID, RequestID: o.RideID, Pickup: point{o.Pickup.Lat, o.Pickup.Lon},
		DistanceM: centimetres(o.DistanceM), ExpiresAt: exchange.Time(o.ExpiresAt),
	}
}

// Offers lists the offers that a driver may answer now. With ?wait= it waits for
// one to come.
func (a *API) Offers(w http.ResponseWriter, r *http.Request) error {
	driver, wait, query, err := exchange.IDAndWait(r, "region")
	if err != nil {
		return err
	}
	if !isOwn(r, driver) {
		return fmt.Errorf("get offers: %w", dispatch.ErrNotFound)
	}
	offers, err := a.engine.OffersNow(r.Context(), query.Get("region"), driver)
	if err == nil && len(offers) == 0 && wait > 0 {
		offers, err = a.awaitOffers(r, query.Get("region"), driver, wait)
	}
	if err != nil {
		return fmt.Errorf("get offers: %w", err)
	}
	answer := struct {
		Offers []wireOffer `json:"offers"`
	}{make([]wireOffer, len(offers))}
	for i, o := range offers {
		exchange.Of(r).RideID = o.RideID
		answer.Offers[i] = newWireOffer(o)
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// awaitOffers returns none when none came in time.
func (a *API) awaitOffers(r *http.Request, region, driver string, wait time.Duration) ([]dispatch.Offer, error) {
	ctx, cancel := a.Streams.Await(r.Context(), wait)
	defer cancel()
	offers, err := a.engine.Offers(ctx, region, driver)
	if err != nil && ctx.Err() != nil {
		return nil, nil // the wait is over, that is all
	}
	return offers, err
}

// answeredOffer tells a driver what their answer has done. It does not change
// when the ride goes on, so that a repeated answer gets the same.
type answeredOffer struct {
	OfferID   string `json:"offer_id"`
	RequestID string `json:"request_id"`
	State     string `json:"state"` // matched or declined
	Pickup    *point `json:"pickup,omitempty"`
}

// Accept matches the ride with the driver who was asked.
func (a *API) Accept(w http.ResponseWriter, r *http.Request) error {
	offer, ride, err := answerOffer(w, r, a.engine.Accept)
	if err != nil {
		return fmt.Errorf("accept offer: %w", err)
	}
	return exchange.Respond(w, http.StatusOK, answeredOffer{
		offer, ride.ID, string(dispatch.Matched), &point{ride.Pickup.Lat, ride.Pickup.Lon},
	})
}

// Decline lets the next driver be asked. How the ride goes on from there
// is not this driver's business.
func (a *API) Decline(w http.ResponseWriter, r *http.Request) error {
	offer, ride, err := answerOffer(w, r, a.engine.Decline)
	if err != nil {
		return fmt.Errorf("decline offer: %w", err)
	}
	return exchange.Respond(w, http.StatusOK, answeredOffer{OfferID: offer, RequestID: ride.ID, State: "declined"})
}

type answerFunc func(ctx context.Context, offer, driver string) (dispatch.Ride, error)

func answerOffer(w http.ResponseWriter, r *http.Request, give answerFunc) (offer string, ride dispatch.Ride, err error) {
	if err := exchange.NoParameters(r); err != nil {
		return "", ride, err
	}
	var body driverRef
	if err := exchange.Decode(w, r, &body); err != nil {
		return "", ride, err
	}
	if err := body.settle(r); err != nil {
		return "", ride, err
	}
	if offer, err = exchange.PathParam(r, "offer_id"); err != nil {
		return "", ride, err
	}
	ride, err = give(r.Context(), offer, string(body.DriverID))
	exchange.Of(r).RideID = ride.ID
	return offer, ride, err
}

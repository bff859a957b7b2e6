package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"geogate/dispatch"
)

// wireOffer asks a driver whether he takes a ride.
type wireOffer struct {
	OfferID   string    `json:"offer_id"`
	RequestID string    `json:"request_id"`
	Pickup    wirePoint `json:"pickup"`
	DistanceM float64   `json:"distance_m"`
	ExpiresAt wireTime  `json:"expires_at"`
}

// getOffers lists what a driver may answer now. With ?wait= it waits for an
// offer to come.
func (g *Gateway) getOffers(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "wait", "region")
	if err != nil {
		return err
	}
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	driver, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	offers, err := g.engine.OffersNow(r.Context(), query.Get("region"), driver)
	if err == nil && len(offers) == 0 && wait > 0 {
		offers, err = g.awaitOffers(r, query.Get("region"), driver, wait)
	}
	if err != nil {
		return fmt.Errorf("get offers: %w", err)
	}
	answer := struct {
		Offers []wireOffer `json:"offers"`
	}{make([]wireOffer, len(offers))}
	for i, o := range offers {
		exchangeOf(r).rideID = o.RideID
		answer.Offers[i] = wireOffer{
			OfferID: o.ID, RequestID: o.RideID, Pickup: wirePoint{o.Pickup.Lat, o.Pickup.Lon},
			DistanceM: centimetres(o.DistanceM), ExpiresAt: wireTime(o.ExpiresAt),
		}
	}
	return g.respond(w, http.StatusOK, answer)
}

// awaitOffers returns none when none came in time.
func (g *Gateway) awaitOffers(r *http.Request, region, driver string, wait time.Duration) ([]dispatch.Offer, error) {
	ctx, cancel := g.awaiting(r.Context(), wait)
	defer cancel()
	offers, err := g.engine.Offers(ctx, region, driver)
	if err != nil && ctx.Err() != nil {
		return nil, nil // the wait is over, that is all
	}
	return offers, err
}

// answeredOffer tells a driver what his answer has done. It does not change
// when the ride goes on, so that repeating an answer gets the same.
type answeredOffer struct {
	OfferID   string     `json:"offer_id"`
	RequestID string     `json:"request_id"`
	State     string     `json:"state"` // matched or declined
	Pickup    *wirePoint `json:"pickup,omitempty"`
}

// acceptOffer matches the ride with the driver who was asked.
func (g *Gateway) acceptOffer(w http.ResponseWriter, r *http.Request) error {
	offer, ride, err := g.answerOffer(w, r, g.engine.Accept)
	if err != nil {
		return fmt.Errorf("accept offer: %w", err)
	}
	return g.respond(w, http.StatusOK, answeredOffer{
		offer, ride.ID, string(dispatch.Matched), &wirePoint{ride.Pickup.Lat, ride.Pickup.Lon},
	})
}

// declineOffer lets the next driver be asked. How the ride goes on from there
// is not this driver's business.
func (g *Gateway) declineOffer(w http.ResponseWriter, r *http.Request) error {
	offer, ride, err := g.answerOffer(w, r, g.engine.Decline)
	if err != nil {
		return fmt.Errorf("decline offer: %w", err)
	}
	return g.respond(w, http.StatusOK, answeredOffer{OfferID: offer, RequestID: ride.ID, State: "declined"})
}

type answerFunc func(ctx context.Context, offer, driver string) (dispatch.Ride, error)

func (g *Gateway) answerOffer(w http.ResponseWriter, r *http.Request, give answerFunc) (offer string, ride dispatch.Ride, err error) {
	if err := noParameters(r); err != nil {
		return "", ride, err
	}
	var body struct {
		DriverID ident `json:"driver_id"`
	}
	if err := decode(w, r, &body); err != nil {
		return "", ride, err
	}
	if body.DriverID == "" {
		return "", ride, badRequest("missing_driver_id", "driver_id is needed: the driver who was asked")
	}
	if offer, err = pathParam(r, "offer_id"); err != nil {
		return "", ride, err
	}
	ride, err = give(r.Context(), offer, string(body.DriverID))
	exchangeOf(r).rideID = ride.ID
	return offer, ride, err
}

package geogate

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
)

// Search returns the places that a geocoder finds for an address.
func (c *Client) Search(ctx context.Context, address string) (Places, error) {
	var places Places
	err := c.Call(ctx, http.MethodGet, "/api?"+url.Values{"q": {address}}.Encode(), nil, &places)
	return places, err
}

// Reverse returns the place at a position, or none.
func (c *Client) Reverse(ctx context.Context, at Point) (Places, error) {
	var places Places
	query := url.Values{"lat": {degrees(at.Lat)}, "lon": {degrees(at.Lng)}}
	err := c.Call(ctx, http.MethodGet, "/api?"+query.Encode(), nil, &places)
	return places, err
}

func degrees(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }

// Track reports positions. Those that were not stored are in its answer, unless none
// was: then it returns an *Error whose Problem names them.
func (c *Client) Track(ctx context.Context, positions ...Position) (Tracked, error) {
	var tracked Tracked
	err := c.Call(ctx, http.MethodPost, "/tracking", positions, &tracked, Repeatable())
	return tracked, err
}

// Nearest returns up to limit drivers who are available, the nearest first.
func (c *Client) Nearest(ctx context.Context, at Point, limit int) ([]Candidate, error) {
	var found struct {
		Drivers []Candidate `json:"drivers"`
	}
	in := struct {
		Point
		Limit int `json:"limit"`
	}{at, limit}
	return found.Drivers, c.Call(ctx, http.MethodPost, "/search", in, &found, Repeatable())
}

// RequestRide requests a ride, once however often it has to be sent. With the same key
// an app that was stopped in the middle of it gets the same ride; "": a new key.
func (c *Client) RequestRide(ctx context.Context, request RideRequest, key string) (Ride, error) {
	if key == "" {
		key = rand.Text()
	}
	var ride Ride
	err := c.Call(ctx, http.MethodPost, "/v2/search", request, &ride, IdempotencyKey(key))
	return ride, err
}

// Ride returns a ride as it is.
func (c *Client) Ride(ctx context.Context, id string) (Ride, error) {
	var ride Ride
	err := c.Call(ctx, http.MethodGet, ridePath(id, ""), nil, &ride)
	return ride, err
}

// Cancel cancels a ride. reason may be empty.
func (c *Client) Cancel(ctx context.Context, id, reason string) error {
	return c.step(ctx, id, "/cancel", "", reason)
}

// Arrive says that the driver is at the pickup. driver may be empty where the
// credential says who they are. So it may for Start, Complete and Release.
func (c *Client) Arrive(ctx context.Context, id, driver string) error {
	return c.step(ctx, id, "/arrive", driver, "")
}

// Start says that the ride is under way.
func (c *Client) Start(ctx context.Context, id, driver string) error {
	return c.step(ctx, id, "/start", driver, "")
}

// Complete says that the ride is over, and makes the driver available.
func (c *Client) Complete(ctx context.Context, id, driver string) error {
	return c.step(ctx, id, "/complete", driver, "")
}

// Release gives a ride back, which then searches for another driver.
func (c *Client) Release(ctx context.Context, id, driver, reason string) error {
	return c.step(ctx, id, "/release", driver, reason)
}

func (c *Client) step(ctx context.Context, id, step, driver, reason string) error {
	in := struct {
		DriverID string `json:"driver_id,omitempty"`
		Reason   string `json:"reason,omitempty"`
	}{driver, reason}
	return c.Call(ctx, http.MethodPost, ridePath(id, step), in, nil, Repeatable())
}

func ridePath(id, step string) string { return "/v2/requests/" + url.PathEscape(id) + step }

// Driver returns a driver as they are.
func (c *Client) Driver(ctx context.Context, id string) (Driver, error) {
	var driver Driver
	err := c.Call(ctx, http.MethodGet, "/v2/drivers/"+url.PathEscape(id), nil, &driver)
	return driver, err
}

// SignOff takes a driver who has no ride off duty.
func (c *Client) SignOff(ctx context.Context, id string) error {
	return c.Call(ctx, http.MethodDelete, "/v2/drivers/"+url.PathEscape(id), nil, nil)
}

// Offers returns what a driver may accept. It waits for an offer for up to 20 s.
func (c *Client) Offers(ctx context.Context, driver string) ([]Offer, error) {
	var answer struct {
		Offers []Offer `json:"offers"`
	}
	return answer.Offers, c.Call(ctx, http.MethodGet, "/v2/drivers/"+url.PathEscape(driver)+"/offers?wait=20s", nil, &answer)
}

// Accept takes an offer. The error's code is too_late when it is over.
func (c *Client) Accept(ctx context.Context, offer, driver string) error {
	return c.answerOffer(ctx, offer, "/accept", driver)
}

// Decline refuses an offer.
func (c *Client) Decline(ctx context.Context, offer, driver string) error {
	return c.answerOffer(ctx, offer, "/decline", driver)
}

func (c *Client) answerOffer(ctx context.Context, offer, answer, driver string) error {
	in := struct {
		DriverID string `json:"driver_id,omitempty"`
	}{driver}
	return c.Call(ctx, http.MethodPost, "/v2/offers/"+url.PathEscape(offer)+answer, in, nil, Repeatable())
}

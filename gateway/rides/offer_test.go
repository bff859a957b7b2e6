package rides_test

import (
	"strings"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
)

type offersBody struct {
	Offers []struct {
		OfferID   string `json:"offer_id"`
		RequestID string `json:"request_id"`
		Pickup    struct{ Lat, Lng float64 }
		DistanceM float64 `json:"distance_m"`
		ExpiresAt string  `json:"expires_at"`
	}
}

const driver1, driver2 = `{"driver_id":1}`, `{"driver_id":"2"}`

// twoDrivers has driver 1 nearer than driver 2 and a ride offered to driver 1.
func twoDrivers(t *testing.T, f *gatewaytest.Fixture) (ride gatewaytest.Ride, offer string) {
	t.Helper()
	f.Do(t, "POST /tracking", `[{"id":"1","lat":-33.44091,"lng":-70.6301},{"id":"2","lat":-33.4450,"lng":-70.6301}]`)
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	return ride, offerTo(t, f, "1")
}

// offerTo waits for the one offer that a driver has.
func offerTo(t *testing.T, f *gatewaytest.Fixture, driver string) string {
	t.Helper()
	var got offersBody
	answer := f.Do(t, "GET /v2/drivers/"+driver+"/offers?wait=10s", "")
	if answer.JSON(t, &got); len(got.Offers) != 1 {
		t.Fatalf("offers of %s: %d %s, want one", driver, answer.StatusCode, answer.Text)
	}
	return got.Offers[0].OfferID
}

func TestOfferAccepted(t *testing.T) {
	f := gatewaytest.NewWithOffers(t, time.Minute)
	ride, offer := twoDrivers(t, f)
	var got offersBody
	f.Do(t, "GET /v2/drivers/1/offers", "").JSON(t, &got)
	o := got.Offers[0]
	if o.OfferID != offer || o.RequestID != ride.RequestID || o.Pickup.Lat != -33.44262 || o.Pickup.Lng != -70.63054 ||
		o.DistanceM < 190 || o.DistanceM > 200 || !strings.HasSuffix(o.ExpiresAt, "Z") {
		t.Errorf("offer = %+v", o)
	}
	if none := f.Do(t, "GET /v2/drivers/2/offers", ""); strings.TrimSpace(none.Text) != `{"offers":[]}` {
		t.Errorf("offers of the other driver: %s", none.Text)
	}

	if got := f.Do(t, "POST /v2/offers/"+offer+"/accept", driver2); got.StatusCode != 404 {
		t.Errorf("accepted by another driver: %d %s, want 404", got.StatusCode, got.Text)
	}
	first := f.Do(t, "POST /v2/offers/"+offer+"/accept", driver1)
	var accepted struct {
		State     string
		OfferID   string `json:"offer_id"`
		RequestID string `json:"request_id"`
	}
	first.JSON(t, &accepted)
	if first.StatusCode != 200 || accepted.State != "matched" || accepted.OfferID != offer || accepted.RequestID != ride.RequestID {
		t.Errorf("accept: %d %s", first.StatusCode, first.Text)
	}
	var now gatewaytest.Ride
	f.Do(t, "GET /v2/requests/"+ride.RequestID, "").JSON(t, &now)
	if now.State != "matched" || now.Driver.ID != "1" {
		t.Errorf("the ride is %s with %+v, want it matched with driver 1", now.State, now.Driver)
	}
	declined := f.Do(t, "POST /v2/offers/"+offer+"/decline", driver1)
	if declined.StatusCode != 409 || !strings.Contains(declined.Text, `"state":"matched"`) {
		t.Errorf("declined after it was accepted: %d %s, want 409 with the state", declined.StatusCode, declined.Text)
	}
	// The same answer for the same question, also when the ride has gone on.
	f.Do(t, "POST /v2/complete", `{"request_id":"`+ride.RequestID+`"}`)
	if again := f.Do(t, "POST /v2/offers/"+offer+"/accept", driver1); again.StatusCode != 200 || again.Text != first.Text {
		t.Errorf("accepted again: %d %s, want the same as before: %s", again.StatusCode, again.Text, first.Text)
	}
}

func TestOfferDeclined(t *testing.T) {
	f := gatewaytest.NewWithOffers(t, time.Minute)
	ride, offer := twoDrivers(t, f)
	waiting := make(chan gatewaytest.Answer)
	go func() { waiting <- f.Do(t, "GET /v2/drivers/2/offers?wait=20s", "") }()
	first := f.Do(t, "POST /v2/offers/"+offer+"/decline", driver1)
	again := f.Do(t, "POST /v2/offers/"+offer+"/decline", driver1)
	if first.StatusCode != 200 || again.StatusCode != 200 || first.Text != again.Text || !strings.Contains(first.Text, `"state":"declined"`) {
		t.Errorf("declined: %d %s, then %d %s", first.StatusCode, first.Text, again.StatusCode, again.Text)
	}
	var next offersBody
	if (<-waiting).JSON(t, &next); len(next.Offers) != 1 || next.Offers[0].RequestID != ride.RequestID {
		t.Fatalf("the next driver was told %+v", next)
	}
	if late := f.Do(t, "POST /v2/offers/"+offer+"/accept", driver1); late.StatusCode != 409 || !strings.Contains(late.Text, `"state":"offered"`) {
		t.Errorf("accepted after it was declined: %d %s, want 409 with the state", late.StatusCode, late.Text)
	}
	f.Do(t, "POST /v2/cancel", `{"request_id":"`+ride.RequestID+`"}`)
	if late := f.Do(t, "POST /v2/offers/"+next.Offers[0].OfferID+"/accept", driver2); late.StatusCode != 409 || !strings.Contains(late.Text, `"state":"cancelled"`) {
		t.Errorf("accepted after the ride was cancelled: %d %s", late.StatusCode, late.Text)
	}
}

// A wait without an offer ends in time, and at once when the gateway drains.
func TestOffersWait(t *testing.T) {
	f := gatewaytest.NewWithOffers(t, time.Minute)
	if got := f.Do(t, "GET /v2/drivers/nobody/offers?wait=50ms", ""); got.StatusCode != 200 || strings.TrimSpace(got.Text) != `{"offers":[]}` {
		t.Errorf("after the wait: %d %s", got.StatusCode, got.Text)
	}
	waiting := make(chan gatewaytest.Answer)
	go func() { waiting <- f.Do(t, "GET /v2/drivers/nobody/offers?wait=25s", "") }()
	started := time.Now()
	f.Gateway.Drain()
	if got := <-waiting; got.StatusCode != 200 || time.Since(started) > 10*time.Second {
		t.Errorf("drained after %s: %d %s", time.Since(started), got.StatusCode, got.Text)
	}
}

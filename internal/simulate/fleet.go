package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"geogate/internal/geo"
	"geogate/internal/pause"
)

const (
	reportEvery = time.Second
	reportMost  = 500 // positions in one request
	// Each second a driver falls silent with this chance, in a tunnel or with a
	// dead battery.
	silenceChance = 1.0 / 300
	silenceMost   = 90 * time.Second
)

// driver is one simulated driver. The fleet moves them; riders tell them where to
// go, as their backend would.
type driver struct {
	id  string
	rng *rand.Rand

	mu     sync.Mutex
	at, to geo.Point
	silent time.Duration // how long they report nothing
	route  []geo.Point   // of a recorded drive, which they follow instead
	step   int
}

// move lets time pass and returns the position to report, if any.
func (d *driver) move(c *city, passed time.Duration) (geo.Point, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.route) > 0 {
		at := d.route[d.step%len(d.route)]
		d.step += max(1, int(passed.Seconds()))
		return at, true // a real GPS has its own noise
	}
	if d.at == d.to {
		d.to = c.place(d.rng)
	}
	d.at = towards(d.at, d.to, driveSpeed*passed.Seconds())
	if d.silent > 0 {
		d.silent -= passed
		return geo.Point{}, false
	}
	if d.rng.Float64() < silenceChance*passed.Seconds() {
		d.silent = time.Duration(d.rng.Int64N(int64(silenceMost)))
	}
	return fix(d.rng, d.at), true
}

func (d *driver) goTo(p geo.Point) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = p
}

// position is a driver's report on the wire.
type position struct {
	ID     string  `json:"id"`
	Lat    float64 `json:"lat"`
	Lng    float64 `json:"lng"`
	TS     int64   `json:"ts"`
	Region string  `json:"region,omitempty"`
}

// drive moves the whole fleet and reports it, until ctx ends.
func (s *simulation) drive(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var reports sync.WaitGroup
	defer reports.Wait()
	last := time.Now()
	for passed := reportEvery; ; {
		var batch []position
		send := func(positions []position) {
			reports.Go(func() { s.report(ctx, positions) })
		}
		for _, d := range s.drivers {
			p, heard := d.move(s.city, passed)
			if !heard {
				continue
			}
			batch = append(batch, position{d.id, p.Lat, p.Lon, time.Now().UnixMilli(), s.cfg.Region})
			if len(batch) == reportMost {
				send(batch)
				batch = nil
			}
		}
		if len(batch) > 0 {
			send(batch)
		}
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			passed, last = now.Sub(last), now
		}
		reports.Wait() // a slow server gets fewer reports, not a queue of them
	}
}

func (s *simulation) report(ctx context.Context, positions []position) {
	a := s.client.call(ctx, request{
		method: http.MethodPost, path: "/tracking", route: "POST /tracking", body: positions,
	})
	var got struct {
		Accepted int64 `json:"accepted"`
	}
	if json.Unmarshal(a.body, &got) == nil {
		s.positions.Add(got.Accepted)
	}
}

// offer is an offer on the wire.
type offer struct {
	OfferID   string `json:"offer_id"`
	RequestID string `json:"request_id"`
}

// answerOffers waits for offers to a driver and answers them: most are
// accepted, some declined, a few left to lapse.
func (s *simulation) answerOffers(ctx context.Context, d *driver) {
	rng := rand.New(s.seedOf("offers of " + d.id))
	path := "/v2/drivers/" + url.PathEscape(d.id) + "/offers?wait=" + waitAsked + "&region=" + url.QueryEscape(s.cfg.Region)
	for ctx.Err() == nil {
		a := s.client.call(ctx, request{method: http.MethodGet, path: path, route: "GET /v2/drivers/{id}/offers"})
		var got struct {
			Offers []offer `json:"offers"`
		}
		if a.status != http.StatusOK || json.Unmarshal(a.body, &got) != nil {
			_ = pause.For(ctx, max(time.Second, a.retryAfter))
			continue
		}
		for _, o := range got.Offers {
			s.answerOffer(ctx, rng, d, o)
		}
	}
}

func (s *simulation) answerOffer(ctx context.Context, rng *rand.Rand, d *driver, o offer) {
	_ = pause.For(ctx, time.Duration(rng.ExpFloat64()*float64(300*time.Millisecond)))
	op := OpAccept
	switch rng.IntN(20) {
	case 0:
		_ = pause.For(ctx, 2*time.Second) // looks the other way
		return
	case 1, 2:
		op = OpDecline
	}
	s.client.rideCall(ctx, op, request{
		method: http.MethodPost, path: fmt.Sprintf("/v2/offers/%s/%s", url.PathEscape(o.OfferID), op),
		route: "POST /v2/offers/{id}/" + op, body: map[string]string{"driver_id": d.id},
		accepted: []int{http.StatusConflict},
	}, Record{Ride: o.RequestID})
}

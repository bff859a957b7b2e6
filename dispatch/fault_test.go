package dispatch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/dispatch/dispatchtest"
	"geogate/internal/asynctest"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

func TestScriptsReload(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Interval: 20 * time.Millisecond, Timeout: 80 * time.Millisecond})
		run(t, e)
		for range 5 {
			forgetScripts(t, rdb)
			track(t, e, at("1", north(20_000)))
			ride := request(t, e, santiago)
			forgetScripts(t, rdb)
			reach(t, e, ride.ID, dispatch.Expired)
		}
	})
}

func forgetScripts(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	onEveryNode(t, rdb, func(node *redis.Client) error { return node.ScriptFlush(t.Context()).Err() })
}

func TestRedisAwayAndBack(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t, func(o *redis.Options) { o.ReadTimeout, o.MaxRetries = 700*time.Millisecond, 1 }) // as main configures it
	cfg := dispatch.Config{Interval: 50 * time.Millisecond, Timeout: time.Minute}
	patient := dispatch.New(server.Client(t), cfg)
	ride := request(t, patient, santiago)
	cfg.RedisTimeout = dispatch.DefaultRedisTimeout
	e := dispatch.New(rdb, cfg)
	run(t, e)

	calls := map[string]func(ctx context.Context) error{
		"Track": func(ctx context.Context) error {
			_, err := e.Track(ctx, []dispatch.Position{at("1", north(20_000))}) // out of reach when a Redis that hung goes on
			return err
		},
		"Nearest": func(ctx context.Context) error {
			_, _, err := e.Nearest(ctx, dispatch.NearestQuery{Point: santiago, RadiusM: 1, Limit: 1})
			return err
		},
		"Request": func(ctx context.Context) error {
			_, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago})
			return err
		},
		"Ride":   func(ctx context.Context) error { _, err := e.Ride(ctx, ride.ID); return err },
		"Wait":   func(ctx context.Context) error { _, err := e.Wait(ctx, ride.ID, ride.Revision); return err },
		"Cancel": func(ctx context.Context) error { _, err := e.Cancel(ctx, ride.ID, ""); return err },
		"Driver": func(ctx context.Context) error { _, err := e.Driver(ctx, "", "1"); return err },
		"Offers": func(ctx context.Context) error { _, err := e.Offers(ctx, "", "1"); return err },
		"Stats":  func(ctx context.Context) error { _, err := e.Stats(ctx); return err },
	}
	refused := func(fault string) {
		var group sync.WaitGroup
		for name, call := range calls {
			group.Go(func() {
				fastest := time.Hour // a busy machine is late now and then
				for range 5 {
					started := time.Now()
					if err := call(t.Context()); !errors.Is(err, dispatch.ErrUnavailable) {
						t.Errorf("%s while Redis is %s: %v, want unavailable", name, fault, err)
					}
					if fastest = min(fastest, time.Since(started)); fastest <= 2*time.Second {
						return
					}
				}
				t.Errorf("%s while Redis is %s took %s", name, fault, fastest)
			})
		}
		group.Wait()
	}
	server.Pause(t)
	refused("hanging")
	server.Resume(t)
	if got, err := patient.Ride(t.Context(), ride.ID); err != nil || got.State != dispatch.Searching {
		// Cancel may have reached the server and lost its reply.
		if got.State != dispatch.Cancelled {
			t.Errorf("after the pause ride = %+v, %v", got, err)
		}
	}

	server.Stop()
	refused("down")
	server.Restart(t)
	// The server comes back empty: what vanished is unknown, the rest works on its own.
	asynctest.Eventually(t, "dispatch works again", func() bool {
		_, err := e.Track(t.Context(), []dispatch.Position{at("1", north(20_000))})
		return err == nil
	})
	if _, err := patient.Ride(t.Context(), ride.ID); !errors.Is(err, dispatch.ErrNotFound) {
		t.Errorf("vanished ride: %v, want not found", err)
	}
	fresh := request(t, patient, santiago)
	track(t, patient, at("1", santiago))
	reach(t, patient, fresh.ID, dispatch.Matched)
}

// A full server must refuse a transition as a whole: half of one would leak a driver.
func TestFullRedisChangesNothing(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	ctx := t.Context()
	e := dispatch.New(rdb, dispatch.Config{})
	track(t, e, at("1", santiago), at("2", north(3000)))
	matched := request(t, e, santiago)
	waiting := request(t, e, north(-4000))

	rdb.ConfigSet(ctx, "maxmemory-policy", "noeviction")
	rdb.ConfigSet(ctx, "maxmemory", "1")
	if _, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago}); !errors.Is(err, dispatch.ErrUnavailable) {
		t.Errorf("Request: %v, want unavailable", err)
	}
	if _, err := e.Track(ctx, []dispatch.Position{at("3", santiago)}); !errors.Is(err, dispatch.ErrUnavailable) {
		t.Errorf("Track: %v, want unavailable", err)
	}
	for _, id := range []string{matched.ID, waiting.ID} {
		if _, err := e.Complete(ctx, id, ""); !errors.Is(err, dispatch.ErrUnavailable) && !errors.Is(err, dispatch.ErrTooLate) {
			t.Errorf("Complete: %v, want unavailable", err)
		}
		if _, err := e.Cancel(ctx, id, ""); !errors.Is(err, dispatch.ErrUnavailable) && !errors.Is(err, dispatch.ErrTooLate) {
			t.Errorf("Cancel: %v, want unavailable", err)
		}
	}
	rdb.ConfigSet(ctx, "maxmemory", "0")
	for _, want := range []dispatch.Ride{matched, waiting} {
		if got, err := e.Ride(ctx, want.ID); err != nil || got.State != want.State || got.Version != want.Version {
			t.Errorf("ride = %+v, %v, want it unchanged: %+v", got, err, want)
		}
	}
	if d := driver(t, e, "1"); d.State != dispatch.Busy || d.RideID != matched.ID {
		t.Errorf("driver = %+v, want them with their ride", d)
	}
	if got, err := e.Cancel(ctx, waiting.ID, ""); err != nil || got.State != dispatch.Cancelled {
		t.Errorf("Cancel when there is room again = %+v, %v", got, err)
	}
}

// The client library repeats what it had no reply to. The ride must not be made twice,
// also without an idempotency key, and the driver's position must not count as older than itself.
func TestLostReplyIsRepeatedWithoutHarm(t *testing.T) {
	server := redistest.Start(t)
	proxy := faultproxy.New(t, server.Addr, 0, 1)
	rdb := redistest.ClientAt(t, proxy.Addr, func(o *redis.Options) { o.MaxRetries = 1 })
	ctx := t.Context()
	e := dispatch.New(rdb, dispatch.Config{OfferTTL: time.Minute})
	// Scripts are known to the server before the first reply is lost.
	warm := request(t, e, north(50_000))
	if _, err := e.Cancel(ctx, warm.ID, ""); err != nil {
		t.Fatal(err)
	}

	proxy.LoseNext()
	first, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago, RiderID: "r"})
	if err != nil || first.State != dispatch.Searching || first.Version != 1 {
		t.Fatalf("Request = %+v, %v", first, err)
	}
	if n := rdb.ZCard(ctx, "geogate:{default}:due").Val(); n != 1 {
		t.Errorf("%d live rides, want 1", n)
	}
	p := at("1", north(10))
	p.Time = time.Now()
	track(t, e, at("far", north(20_000)))
	proxy.LoseNext()
	track(t, e, p)
	offer := offerTo(t, e, "1")
	proxy.LoseNext()
	if _, err := e.Decline(ctx, offer.ID, "1"); err != nil {
		t.Errorf("Decline: %v", err)
	}
	second, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago})
	if err != nil {
		t.Fatal(err)
	}
	offer = offerTo(t, e, "1")
	proxy.LoseNext()
	if ride, err := e.Accept(ctx, offer.ID, "1"); err != nil || ride.ID != second.ID || ride.State != dispatch.Matched {
		t.Errorf("Accept = %+v, %v", ride, err)
	}
	proxy.LoseNext()
	if ride, err := e.Complete(ctx, second.ID, ""); err != nil || ride.State != dispatch.Completed {
		t.Errorf("Complete = %+v, %v", ride, err)
	}
	proxy.LoseNext()
	if ride, err := e.Cancel(ctx, first.ID, ""); err != nil || ride.State != dispatch.Cancelled {
		t.Errorf("Cancel = %+v, %v", ride, err)
	}
	proxy.LoseNext()
	if err := e.DeleteDriver(ctx, "", "1"); err != nil {
		t.Errorf("DeleteDriver: %v", err)
	}
	if proxy.Lost() != 7 {
		t.Errorf("%d replies were lost, want 7", proxy.Lost())
	}
	h, err := dispatchtest.Read(ctx, rdb, dispatch.DefaultRegion)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range dispatchtest.Check(h, dispatchtest.Rules{DriverTTL: time.Minute, Slack: time.Second}) {
		t.Error(err)
	}
}

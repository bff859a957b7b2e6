package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

func TestDelivers(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		all := newReceiver(t, status(http.StatusNoContent))
		news := newReceiver(t, status(http.StatusOK))
		h.publish(t, "news.flash", "", "before anybody listened")
		first, second := h.subscribe(t, all), h.subscribe(t, news, "news.*", "weather")

		ride := h.publish(t, "request.matched", "ride:1", map[string]int{"version": 2})
		flash := h.publish(t, "news.flash", "", map[string]int{"n": 1})
		asynctest.Eventually(t, "both have what they asked for", func() bool {
			return len(all.received()) >= 2 && len(news.received()) >= 1
		})
		got := map[string]received{}
		for _, call := range append(all.received(), news.received()...) {
			if call.err != nil {
				t.Errorf("signature of %s: %v", call.id, call.err)
			}
			got[call.id] = call
		}
		if body := got[ride].body; !strings.HasPrefix(body, `{"type":"request.matched","timestamp":"`) || !strings.HasSuffix(body, `,"data":{"version":2}}`) {
			t.Errorf("body = %s", body)
		}
		if news.received()[0].id != flash {
			t.Errorf("the one who asked for news got %v", news.received())
		}
		asynctest.Eventually(t, "both are settled", func() bool {
			a, b := h.subscriber(t, first.ID), h.subscriber(t, second.ID)
			return a.Delivered == 2 && b.Delivered == 1 && a.Pending+b.Pending == 0
		})
		deliveries, err := h.Deliveries(t.Context(), first.ID, 10)
		if err != nil || len(deliveries) != 2 || deliveries[0].ID != flash || deliveries[0].Type != "news.flash" ||
			deliveries[0].State != webhook.Delivered || len(deliveries[0].Attempts) != 1 || deliveries[0].Attempts[0].Status != 204 {
			t.Errorf("Deliveries = %+v, %v", deliveries, err)
		}
	})
}

// A failed delivery comes again by the schedule: same id, same body, fresh timestamp,
// valid signature; then it is a dead letter, and can be sent again.
func TestRetriesThenDiesThenIsRedelivered(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := quick()
		cfg.Retries = webhook.Schedule{300 * time.Millisecond, 1100 * time.Millisecond}
		h := newHouse(t, rdb, cfg)
		var well atomic.Bool
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
			if !well.Load() {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte("secret of the receiver"))
			}
		})
		s := h.subscribe(t, r)
		id := h.publish(t, "a", "", 1)
		asynctest.Eventually(t, "dead letter", func() bool { return h.subscriber(t, s.ID).DeadLetters == 1 })
		calls := r.received()
		if len(calls) != 3 {
			t.Fatalf("%d attempts, want 3", len(calls))
		}
		for i, call := range calls {
			if call.err != nil || call.id != id || call.body != calls[0].body {
				t.Errorf("attempt %d: id %s, body %s, signature %v", i, call.id, call.body, call.err)
			}
			if i == 0 {
				continue
			}
			// How much longer it may be is a matter of TestSchedule and of the machine.
			if pause, want := call.at.Sub(calls[i-1].at), cfg.Retries[i-1]; pause < want {
				t.Errorf("pause %d = %s, want %s at least", i, pause, want)
			}
		}
		if calls[2].timestamp == calls[0].timestamp {
			t.Error("the timestamp of a retry is that of the first attempt")
		}
		d, err := h.Delivery(t.Context(), s.ID, id)
		if err != nil || d.State != webhook.Dead || d.Reason != "status 500" || len(d.Attempts) != 3 {
			t.Errorf("Delivery = %+v, %v", d, err)
		}
		if text := fmt.Sprintf("%+v", d); strings.Contains(text, "secret of") {
			t.Errorf("the answer of the endpoint is shown: %s", text)
		}
		if got := h.subscriber(t, s.ID); got.State != webhook.Failing || got.Failed != 3 || got.Retried != 2 || got.Dead != 1 {
			t.Errorf("Subscriber = %+v", got)
		}

		well.Store(true)
		if err := h.Redeliver(t.Context(), s.ID, id); err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "redelivered", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
		if err := h.Redeliver(t.Context(), s.ID, id); err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "redelivered once more", func() bool { return h.subscriber(t, s.ID).Delivered == 2 })
		if got := h.subscriber(t, s.ID); got.State != webhook.Active || got.DeadLetters != 0 {
			t.Errorf("Subscriber = %+v", got)
		}
		if err := h.Redeliver(t.Context(), s.ID, "evt_1-1"); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("Redeliver of nothing: %v", err)
		}
	})
}

func TestRetryAfterHoldsTheSubscriber(t *testing.T) {
	t.Parallel()
	h := newHouse(t, redistest.Start(t).Client(t), quick())
	var calls atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	s := h.subscribe(t, r)
	h.publish(t, "a", "", 1)
	asynctest.Eventually(t, "first attempt", func() bool { return h.subscriber(t, s.ID).Failed == 1 })
	h.publish(t, "b", "", 2) // another event must not disturb it either
	asynctest.Eventually(t, "both delivered", func() bool { return h.subscriber(t, s.ID).Delivered == 2 })
	got := r.received()
	if pause := got[1].at.Sub(got[0].at); pause < 1900*time.Millisecond {
		t.Errorf("called again after %s, asked to wait 2s", pause)
	}
}

func TestGoneEndsTheSubscription(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		r := newReceiver(t, status(http.StatusGone))
		s := h.subscribe(t, r)
		for i := range 20 {
			h.publish(t, "a", "ride:"+strconv.Itoa(i), i)
		}
		asynctest.Eventually(t, "subscription ended", func() bool {
			_, err := h.Subscriber(t.Context(), s.ID)
			return errors.Is(err, webhook.ErrNotFound)
		})
		if _, err := h.Keepalive(t.Context(), s.ID); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("Keepalive: %v, want ErrNotFound", err)
		}
		other := newReceiver(t, status(http.StatusOK))
		h.subscribe(t, other)
		h.publish(t, "a", "", "after")
		asynctest.Eventually(t, "a later event went elsewhere", func() bool { return len(other.received()) == 1 })
		if got := len(r.received()); got != 1 {
			t.Errorf("called %d times, want once", got)
		}
		asynctest.Eventually(t, "nothing is left of it", func() bool {
			keys, err := rdb.Keys(t.Context(), "*"+s.ID+"*").Result()
			return err == nil && len(keys) == 0
		})
	})
}

// Events of one ride arrive in order, whatever fails in between; other rides do not
// wait for it.
func TestOrderOfARide(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := quick()
		cfg.Retries = webhook.Schedule{10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond}
		h := newHouse(t, rdb, cfg)
		newHouse(t, rdb, cfg) // a second process
		const rides, versions = 10, 8
		var mu sync.Mutex
		accepted := map[string][]string{}
		tried := map[string]bool{}
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, got received) {
			mu.Lock()
			again := tried[got.id]
			tried[got.id] = true
			fail := !again && len(tried)%4 == 0
			mu.Unlock()
			if fail {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			data := got.body[strings.Index(got.body, `"data":"`)+8:]
			ride, version, _ := strings.Cut(strings.TrimSuffix(data, `"}`), "/")
			mu.Lock()
			accepted[ride] = append(accepted[ride], version)
			mu.Unlock()
		})
		s := h.subscribe(t, r)
		for v := range versions {
			for ride := range rides {
				h.publish(t, "request.matched", fmt.Sprint("ride:", ride), fmt.Sprintf("%d/%d", ride, v))
			}
		}
		asynctest.Eventually(t, "all delivered", func() bool { return h.subscriber(t, s.ID).Delivered == rides*versions })
		mu.Lock()
		defer mu.Unlock()
		for ride, got := range accepted {
			// Deliveries come at least once: a sender that was held up has its
			// delivery made by the next.
			got = slices.Compact(got)
			if want := "0 1 2 3 4 5 6 7"; strings.Join(got, " ") != want {
				t.Errorf("ride %s: versions %v, want %s", ride, got, want)
			}
		}
	})
}

func TestDisablesWhatOnlyFails(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := quick()
		cfg.Retries, cfg.DisableAfter = webhook.Schedule{10 * time.Millisecond}, 3
		h := newHouse(t, rdb, cfg)
		var well atomic.Bool
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
			if !well.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		s := h.subscribe(t, r)
		const events = 150
		for i := range events {
			h.publish(t, "a", fmt.Sprint("ride:", i%7), i)
		}
		asynctest.Eventually(t, "everything is a dead letter", func() bool { return h.subscriber(t, s.ID).DeadLetters == events })
		got := h.subscriber(t, s.ID)
		if got.State != webhook.Disabled || got.Reason != "status 500" || got.Pending != 0 {
			t.Errorf("Subscriber = %+v, want it disabled", got)
		}
		calls := len(r.received())
		if calls > 20 {
			t.Errorf("an endpoint that only fails was called %d times", calls)
		}
		h.publish(t, "a", "", "while disabled")
		asynctest.Eventually(t, "an event while disabled is a dead letter", func() bool { return h.subscriber(t, s.ID).DeadLetters == events+1 })
		if n := len(r.received()); n != calls {
			t.Errorf("called %d times while disabled", n-calls)
		}
		dead, err := h.Deliveries(t.Context(), s.ID, 1, webhook.Dead)
		if err != nil || len(dead) != 1 || dead[0].Reason != "disabled" || len(dead[0].Attempts) != 0 {
			t.Errorf("Deliveries = %+v, %v", dead, err)
		}

		// A test event goes out all the same; when it arrives, so do the others again.
		if _, err := h.Test(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "the test event failed", func() bool { return len(r.received()) > calls })
		well.Store(true)
		if err := h.Redeliver(t.Context(), s.ID, dead[0].ID); err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "enabled again", func() bool { return h.subscriber(t, s.ID).State == webhook.Active })
		h.publish(t, "a", "", "afterwards")
		asynctest.Eventually(t, "events flow again", func() bool {
			for _, call := range r.received() {
				if strings.Contains(call.body, "afterwards") {
					return true
				}
			}
			return false
		})
	})
}

func TestBacklogIsBounded(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.MaxBacklog = 20
	h := newHouse(t, redistest.Start(t).Client(t), cfg)
	r := newReceiver(t, hang)
	s := h.subscribe(t, r)
	const events = 100
	for i := range events {
		h.publish(t, "a", "", i)
	}
	asynctest.Eventually(t, "what is too much is dead", func() bool {
		got := h.subscriber(t, s.ID)
		return got.Dead >= events-20 && got.Pending <= 20 && got.DeadLetters == 20
	})
}

func TestTestEventGoesToOneAlone(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		h := newHouse(t, rdb, quick())
		r, other := newReceiver(t, status(http.StatusOK)), newReceiver(t, status(http.StatusOK))
		s := h.subscribe(t, r, "news.*")
		h.subscribe(t, other)
		id, err := h.Test(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		asynctest.Eventually(t, "test event", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
		call := r.received()[0]
		if call.id != id || call.err != nil || !strings.Contains(call.body, `"type":"webhook.test"`) {
			t.Errorf("test event = %+v", call)
		}
		if n := len(other.received()); n != 0 {
			t.Errorf("another subscriber got %d events", n)
		}
	})
}

func TestRedirectIsAFailure(t *testing.T) {
	t.Parallel()
	h := newHouse(t, redistest.Start(t).Client(t), quick())
	target := newReceiver(t, status(http.StatusOK))
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request, _ received) {
		http.Redirect(w, req, target.URL, http.StatusTemporaryRedirect)
	})
	s := h.subscribe(t, r)
	h.publish(t, "a", "", 1)
	asynctest.Eventually(t, "dead letter", func() bool { return h.subscriber(t, s.ID).DeadLetters == 1 })
	if n := len(target.received()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// Run ends within its grace; what hangs then is given back, so that another process
// has it at once, without having used up an attempt.
func TestEndGivesBack(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	cfg := quick()
	cfg.Timeout = time.Minute
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	h := &house{Registry: webhook.NewRegistry(rdb, guard, cfg), events: event.New(rdb, event.Config{})}
	stop := asynctest.Background(t, webhook.NewSender(rdb, h.events, guard, cfg).Run)
	var well atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request, got received) {
		if !well.Load() {
			hang(w, req, got)
		}
	})
	s := h.subscribe(t, r)
	h.publish(t, "a", "", 1)
	asynctest.Eventually(t, "under way", func() bool { return len(r.received()) == 1 })
	stop()
	if flying, err := rdb.Keys(t.Context(), "*:fly:*").Result(); err != nil || len(flying) > 0 {
		t.Errorf("in hand after the end: %v, %v, want nothing", flying, err)
	}
	well.Store(true)
	asynctest.Background(t, webhook.NewSender(rdb, h.events, guard, cfg).Run)
	asynctest.Eventually(t, "delivered by the other", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
	d, err := h.Deliveries(t.Context(), s.ID, 1)
	if err != nil || len(d[0].Attempts) != 1 {
		t.Errorf("Deliveries = %+v, %v, want one attempt", d, err)
	}
}

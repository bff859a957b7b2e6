package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

// latencies notes how long events took from being published to being received. Their
// data is the time of publishing.
type latencies struct {
	mu   sync.Mutex
	took []time.Duration
}

func (l *latencies) note(got received) {
	data := got.body[strings.LastIndex(got.body, ":")+1 : len(got.body)-1]
	ns, err := strconv.ParseInt(data, 10, 64)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, got.at.Sub(time.Unix(0, ns)))
}

func (l *latencies) quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.took))
	return sorted[int(q*float64(len(sorted)-1))]
}

// publishSteadily publishes so many events a second, for so long.
func (h *house) publishSteadily(t testing.TB, perSecond int, d time.Duration) (n int) {
	t.Helper()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		<-tick.C
		h.publish(t, "request.matched", "ride:"+strconv.Itoa(n), time.Now().UnixNano())
	}
	return n
}

// Five subscribers at 200 events a second: one answers well, one with 500, one hangs,
// one says 410, one was registered and never heard of again.
func TestFiveSubscribers(t *testing.T) {
	d := 4 * time.Second
	cfg := quick()
	cfg.Timeout = time.Second
	cfg.DisableAfter = 1 << 30 // the point is that they go on disturbing
	q := 0.5                   // beside other tests: the machine holds up some by itself
	if *long {
		d, q, cfg.Timeout = time.Minute, 0.99, 15*time.Second
	}
	h := newHouse(t, redistest.Start(t).Client(t), cfg)
	var took latencies
	well := newReceiver(t, func(_ http.ResponseWriter, _ *http.Request, got received) { took.note(got) })
	broken := newReceiver(t, status(http.StatusInternalServerError))
	hanging := newReceiver(t, hang)
	gone := newReceiver(t, status(http.StatusGone))
	silent := newReceiver(t, hang)
	wellSub, brokenSub, hangingSub, goneSub := h.subscribe(t, well), h.subscribe(t, broken), h.subscribe(t, hanging), h.subscribe(t, gone)
	const ttl = time.Second
	ghost, _, err := h.Register(t.Context(), webhook.Registration{URL: silent.URL, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	dropped := make(chan time.Duration, 1)
	asynctest.Background(t, func(context.Context) error {
		limit := time.After(time.Minute)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-limit:
				return errors.New("the ghost is still there")
			case <-tick.C:
			}
			if _, err := h.Subscriber(t.Context(), ghost.ID); errors.Is(err, webhook.ErrNotFound) {
				dropped <- time.Since(ghost.RegisteredAt)
				return nil
			}
		}
	})
	n := h.publishSteadily(t, 200, d)

	asynctest.Eventually(t, "the first has everything", func() bool { return h.subscriber(t, wellSub.ID).Delivered == int64(n) })
	if late := took.quantile(q); late >= time.Second {
		t.Errorf("p%.0f of the first = %s, want below 1 s", 100*q, late)
	}
	for name, r := range map[string]*receiver{"200": well, "500": broken, "hanging": hanging, "410": gone} {
		for _, call := range r.received() {
			if call.err != nil {
				t.Fatalf("%s: signature of %s: %v", name, call.id, call.err)
			}
		}
	}
	if got := len(gone.received()); got != 1 {
		t.Errorf("the one that said 410 was called %d times, want once", got)
	}
	if _, err := h.Subscriber(t.Context(), goneSub.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("the one that said 410 is still there: %v", err)
	}
	asynctest.Eventually(t, "the one that says 500 is failing and tried again", func() bool {
		got := h.subscriber(t, brokenSub.ID)
		return got.State == webhook.Failing && got.Retried > 0
	})
	asynctest.Eventually(t, "the hanging one is cut off", func() bool {
		dead, err := h.Deliveries(t.Context(), hangingSub.ID, 1, webhook.Pending, webhook.Dead)
		for _, delivery := range dead {
			for _, a := range delivery.Attempts {
				if a.Error == "timeout" && a.Took < cfg.Timeout+2*time.Second {
					return true
				}
			}
		}
		return err == nil && h.subscriber(t, hangingSub.ID).Reason == "timeout"
	})
	t.Logf("%d events: p50 %s, p99 %s, max %s; ghost with ttl %s dropped after %s", n,
		took.quantile(0.5), took.quantile(0.99), took.quantile(1), ttl, (<-dropped).Round(time.Millisecond))
}

// A dead subscriber adds less than a tenth to what the others wait at the 99th
// percentile. Times with and without one take turns, so that what else the machine does
// falls on both. Short runs only catch what is grossly wrong; the figures come from
// -long.
func TestDeadSubscriberDelaysNobody(t *testing.T) {
	rounds, d, slack, q := 2, time.Second, 500*time.Millisecond, 0.5
	if *long {
		rounds, d, slack, q = 20, 3*time.Second, 2*time.Millisecond, 0.99
	}
	h := newHouse(t, redistest.Start(t).Client(t), webhook.Config{Timeout: time.Second})
	var alone, beside latencies
	var into atomic.Pointer[latencies]
	well := newReceiver(t, func(_ http.ResponseWriter, _ *http.Request, got received) { into.Load().note(got) })
	well.forget = true
	s := h.subscribe(t, well)
	dead := newReceiver(t, hang)
	n := 0
	measure := func(l *latencies) {
		into.Store(l)
		n += h.publishSteadily(t, 200, d)
		asynctest.Eventually(t, "delivered", func() bool { return h.subscriber(t, s.ID).Delivered == int64(n) })
	}
	for range rounds {
		measure(&alone)
		ghost := h.subscribe(t, dead)
		measure(&beside)
		if err := h.Unregister(t.Context(), ghost.ID); err != nil {
			t.Fatal(err)
		}
	}
	without, with := alone.quantile(q), beside.quantile(q)
	t.Logf("%d events: p50 and p99 alone %s %s, beside a dead subscriber %s %s",
		n, alone.quantile(0.5), alone.quantile(0.99), beside.quantile(0.5), beside.quantile(0.99))
	if with > without+without/10+slack {
		t.Errorf("p%.0f = %s beside a dead subscriber, %s without", 100*q, with, without)
	}
}

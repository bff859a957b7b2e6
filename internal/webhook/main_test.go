package webhook_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/webhook"
)

// long runs the proofs at their full size: `make soak-events`.
var long = flag.Bool("long", false, "run the proofs at full size (minutes)")

func TestMain(m *testing.M) {
	if os.Getenv(workerRedis) != "" { // this binary again, as a process to be killed
		os.Exit(runWorker())
	}
	asynctest.Main(m)
}

// loopback opens what tests listen on.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// quick is a configuration whose schedule a test can wait for. Receivers have the time
// that a busy machine may need: an attempt that fails is one that a test wants to fail.
func quick() webhook.Config {
	return webhook.Config{
		Retries: webhook.Schedule{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond},
		Timeout: time.Minute,
		Grace:   100 * time.Millisecond,
	}
}

// house is everything of one geogate that has to do with webhooks.
type house struct {
	*webhook.Registry
	events *event.Log
	sender *webhook.Sender
}

// newHouse builds the parts and runs them until the test ends.
func newHouse(t testing.TB, rdb redis.UniversalClient, cfg webhook.Config) *house {
	t.Helper()
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	h := &house{Registry: webhook.NewRegistry(rdb, guard, cfg), events: event.New(rdb, event.Config{})}
	h.sender = webhook.NewSender(rdb, h.events, guard, cfg)
	asynctest.Background(t, h.events.Run)
	asynctest.Background(t, h.sender.Run)
	return h
}

func (h *house) register(t testing.TB, url string, types ...string) webhook.Subscriber {
	t.Helper()
	s, _, err := h.Register(t.Context(), webhook.Registration{URL: url, Types: types, TTL: time.Hour})
	if err != nil {
		t.Fatalf("Register(%q): %v", url, err)
	}
	return s
}

func (h *house) publish(t testing.TB, kind, subject string, data any) string {
	t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := h.events.Publish(context.Background(), event.Publication{Type: kind, Subject: subject, Data: body})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return id
}

func (h *house) subscriber(t testing.TB, id string) webhook.Subscriber {
	t.Helper()
	s, err := h.Subscriber(context.Background(), id)
	if err != nil {
		t.Fatalf("Subscriber(%q): %v", id, err)
	}
	return s
}

// receiver is somebody's endpoint. It checks every signature with the library that
// the specification's authors keep.
type receiver struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request, got received)

	forget bool // keep no calls

	mu     sync.Mutex
	secret string
	calls  []received
}

// received is one call of an endpoint.
type received struct {
	id        string
	timestamp string
	body      string
	at        time.Time
	err       error // of the signature
}

func newReceiver(t testing.TB, answer func(http.ResponseWriter, *http.Request, received)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() {
		r.CloseClientConnections() // senders may still be at it
		r.Close()
	})
	return r
}

// status answers always the same.
func status(code int) func(http.ResponseWriter, *http.Request, received) {
	return func(w http.ResponseWriter, _ *http.Request, _ received) { w.WriteHeader(code) }
}

// hang answers when the caller has left.
func hang(_ http.ResponseWriter, r *http.Request, _ received) { <-r.Context().Done() }

func (r *receiver) knows(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = secret
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	got := received{
		id: req.Header.Get("webhook-id"), timestamp: req.Header.Get("webhook-timestamp"),
		body: string(body), at: time.Now(), err: err,
	}
	r.mu.Lock()
	if r.secret != "" && err == nil {
		var hook *standard.Webhook
		if hook, got.err = standard.NewWebhook(r.secret); got.err == nil {
			got.err = hook.Verify(body, req.Header)
		}
	}
	if !r.forget {
		r.calls = append(r.calls, got)
	}
	r.mu.Unlock()
	r.answer(w, req, got)
}

func (r *receiver) received() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.calls...)
}

// subscribe registers the receiver and tells it its secret.
func (h *house) subscribe(t testing.TB, r *receiver, types ...string) webhook.Subscriber {
	t.Helper()
	s := h.register(t, r.URL, types...)
	r.knows(s.Secret)
	return s
}

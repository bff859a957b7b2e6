package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"geogate/internal/redistest"
)

// notice is an event as a subscriber gets it.
type notice struct {
	id      string // webhook-id
	Type    string
	Data    json.RawMessage
	invalid error // of the signature
}

// listener is a subscriber's endpoint.
type listener struct {
	*httptest.Server

	mu     sync.Mutex
	secret string
	events []notice
}

func newListener(tb testing.TB) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e := notice{id: r.Header.Get("webhook-id")}
		l.mu.Lock()
		defer l.mu.Unlock()
		hook, err := standard.NewWebhook(l.secret)
		if err == nil {
			err = hook.Verify(body, r.Header)
		}
		e.invalid = errors.Join(err, json.Unmarshal(body, &e))
		l.events = append(l.events, e)
	}))
	tb.Cleanup(l.Close)
	return l
}

func (l *listener) told() []notice {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// subscribe registers the listener at a process.
func (l *listener) subscribe(tb testing.TB, p *process, types string) (id string) {
	tb.Helper()
	l.mu.Lock() // a first event must find the secret
	defer l.mu.Unlock()
	s := decode[struct{ ID, Secret string }](tb, p.post(tb, "/events/subscribers", fmt.Sprintf(`{"url":%q,"types":[%q]}`, l.URL, types), "Authorization", "Bearer "+adminToken), 201)
	l.secret = s.Secret
	return s.ID
}

// compact is JSON without its blanks, for comparison.
func compact(tb testing.TB, text []byte) string {
	tb.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return out.String()
}

// What happens to rides reaches subscribers in order, as a GET shows it, whichever
// process saw it and whichever process dies.
func TestRidesAreToldToSubscribers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	vars := settings("REDIS_URL", "redis://"+redis.Addr, "ADMIN_TOKEN", adminToken, "WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8", "WEBHOOK_RETRIES", "100ms,200ms,400ms")
	first, second := start(t, vars), start(t, vars)
	l := newListener(t)
	l.subscribe(t, first, "request.*")

	type ride struct {
		RequestID string `json:"request_id"`
		State     string
	}
	matched := decode[ride](t, func() answer {
		second.post(t, "/tracking", `{"id":"1","lat":1,"lng":2}`)
		return second.post(t, "/v2/search", `{"lat":1,"lng":2}`)
	}(), 200)
	asked := func(p *process) string {
		return compact(t, p.get(t, "/v2/requests/"+matched.RequestID).Body)
	}
	atMatch := asked(second)
	if matched.State != "matched" {
		t.Fatalf("ride = %+v", matched)
	}
	first.kill()
	second.post(t, "/v2/complete", fmt.Sprintf(`{"request_id":%q}`, matched.RequestID))
	waiting := decode[ride](t, second.post(t, "/v2/search", `{"lat":40,"lng":2}`), 200)
	second.post(t, "/v2/cancel", fmt.Sprintf(`{"request_id":%q}`, waiting.RequestID))

	eventually(t, patience, "everything is told", func() error {
		if got := typesOf(l.told(), matched.RequestID); got != "request.searching request.matched request.completed" {
			return fmt.Errorf("of the first ride: %s", got)
		}
		if got := typesOf(l.told(), waiting.RequestID); got != "request.searching request.cancelled" {
			return fmt.Errorf("of the second ride: %s", got)
		}
		return nil
	})
	for _, e := range l.told() {
		if e.invalid != nil {
			t.Errorf("%s %s: %v", e.id, e.Type, e.invalid)
		}
		if e.Type == "request.matched" && string(e.Data) != atMatch {
			t.Errorf("data = %s, GET showed %s", e.Data, atMatch)
		}
		if e.Type == "request.completed" && string(e.Data) != asked(second) {
			t.Errorf("data = %s, GET shows %s", e.Data, asked(second))
		}
	}
}

// typesOf lists what was told of a ride, repeats left out.
func typesOf(events []notice, ride string) string {
	var types []string
	seen := map[string]bool{}
	for _, e := range events {
		if strings.Contains(string(e.Data), ride) && !seen[e.id] {
			seen[e.id] = true
			types = append(types, e.Type)
		}
	}
	return strings.Join(types, " ")
}

// The bus is killed and restarted under load. HTTP does not notice, and every event
// of the time is on the bus afterwards, once.
func TestBusIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	options := server.Options{Host: "127.0.0.1", Port: freePort(t), NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()}
	var bus *server.Server
	startBus := func() {
		o := options
		var err error
		if bus, err = server.NewServer(&o); err != nil {
			t.Fatal(err)
		}
		bus.Start()
		if !bus.ReadyForConnections(patience) {
			t.Fatal("nats-server is not ready within a minute")
		}
	}
	stopBus := func() {
		bus.Shutdown()
		bus.WaitForShutdown()
	}
	startBus()
	t.Cleanup(func() { stopBus() })
	url := fmt.Sprintf("nats://127.0.0.1:%d", options.Port)
	redis := redistest.Start(t)
	p := start(t, settings("REDIS_URL", "redis://"+redis.Addr, "ADMIN_TOKEN", adminToken, "NATS_URL", url, "UPSTREAMS", "gazetteer"))

	var ids []string
	slow := 0
	load := func(n int) {
		for i := range n {
			a := p.post(t, "/events", fmt.Sprintf(`{"type":"news.flash","data":%d}`, i), "Authorization", "Bearer "+adminToken)
			if a.Took > 2*time.Second {
				slow++
			}
			ids = append(ids, decode[struct{ ID string }](t, a, 202).ID)
			if i%20 == 0 {
				if a := p.get(t, "/api?q=Vaduz"); a.Status != 200 {
					t.Errorf("geocoding meanwhile = %s", a)
				}
			}
		}
	}
	load(100)
	stopBus()
	load(200)
	startBus()
	load(100)
	if slow > 2 { // a machine that stands still holds up one or two
		t.Errorf("publishing took more than 2 s %d times", slow)
	}

	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	var stored jetstream.Stream
	eventually(t, patience, "all are on the bus", func() error {
		var err error
		if stored, err = js.Stream(t.Context(), "GEOGATE_EVENTS"); err != nil {
			return err
		}
		info, err := stored.Info(t.Context())
		if err == nil && info.State.Msgs < uint64(len(ids)) {
			err = fmt.Errorf("%d of %d", info.State.Msgs, len(ids))
		}
		return err
	})
	var got []string
	for seq := range uint64(len(ids)) {
		m, err := stored.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Header.Get("Nats-Msg-Id"))
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(ids))
	if !slices.Equal(got, want) {
		t.Errorf("%d events on the bus, and not those %d that were published", len(got), len(want))
	}

	// The same process answers over the bus what it answers over HTTP.
	reply, err := conn.Request("geogate.geocode", []byte(`{"q":"Vaduz"}`), patience)
	if err != nil || !strings.Contains(string(reply.Data), `"data":[`) {
		t.Errorf("geogate.geocode = %v, %v", reply, err)
	}
	p.post(t, "/tracking", `{"id":"7","lat":1,"lng":2}`)
	reply, err = conn.Request("geogate.nearby", []byte(`{"lat":1,"lng":2}`), patience)
	if err != nil || !strings.Contains(string(reply.Data), `"id":"7"`) {
		t.Errorf("geogate.nearby = %v, %v", reply, err)
	}
	reply, err = conn.Request("geogate.nearby", []byte(`{"lat":91,"lng":2}`), patience)
	if err != nil || reply.Header.Get("Nats-Service-Error-Code") != "400" {
		t.Errorf("geogate.nearby of nowhere = %v, %v", reply, err)
	}
}

// freePort returns a port that nobody listened on a moment ago. It lies below those that
// redistest draws from, and below those that Linux gives to outgoing connections and to
// servers that ask for any: nobody else takes it before its server does, and a client that
// dials it meanwhile is not connected to itself. Browsers open all of them. No port is
// returned twice.
func freePort(tb testing.TB) int {
	tb.Helper()
	const firstPort, lastPort = 7_000, 10_000
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, taken := givenPorts.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatal("no free port among a hundred")
	return 0
}

var givenPorts sync.Map

// Without a token the banner says who may use events; with one it says so too.
func TestBannerTellsWhoMayUseEvents(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{"": "/events open to programs on this machine only", "s3cret": "/events open to ADMIN_TOKEN"} {
		p := start(t, settings("ADMIN_TOKEN", token))
		eventually(t, patience, "the banner says so", func() error { // it is read piece by piece
			if banner := p.Stderr.String(); !strings.Contains(banner, want) {
				return fmt.Errorf("with ADMIN_TOKEN=%q it is\n%s", token, banner)
			}
			return nil
		})
	}
}

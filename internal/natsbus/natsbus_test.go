package natsbus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/natsbus"
	"geogate/internal/redistest"
	"geogate/internal/trace"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// natsServer is a real NATS server in this process, on a port that it keeps.
type natsServer struct {
	options server.Options
	running *server.Server
}

func newNATS(t *testing.T, withJetStream bool) *natsServer {
	t.Helper()
	_, text, err := net.SplitHostPort(redistest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &natsServer{options: server.Options{
		Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, JetStream: withJetStream, StoreDir: t.TempDir(),
	}}
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start(t *testing.T) {
	t.Helper()
	options := s.options
	running, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.running = running
	running.Start()
	if !running.ReadyForConnections(time.Minute) {
		t.Fatal("nats-server is not ready within a minute")
	}
}

func (s *natsServer) stop() {
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

func (s *natsServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.options.Port) }

func (s *natsServer) connect(t *testing.T) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func newLog(t *testing.T) *event.Log {
	t.Helper()
	l := event.New(redistest.Start(t).Client(t), event.Config{})
	asynctest.Background(t, l.Run)
	return l
}

func publish(t *testing.T, l *event.Log, kind string, n int) string {
	t.Helper()
	id, _, err := l.Publish(context.Background(), event.Publication{Type: kind, Data: fmt.Append(nil, n)})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return id
}

// inbox collects what arrives on the bus.
type inbox struct {
	mu  sync.Mutex
	ids []string
}

func (b *inbox) take(m *nats.Msg) {
	var envelope struct{ ID, Type string }
	_ = json.Unmarshal(m.Data, &envelope)
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Header.Get("Nats-Msg-Id") == envelope.ID && m.Subject == "geogate.events."+envelope.Type {
		b.ids = append(b.ids, envelope.ID)
	}
}

func (b *inbox) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ids)
}

func TestPublishesWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := newNATS(t, false)
	s.start(t)
	var got inbox
	conn := s.connect(t)
	if _, err := conn.Subscribe("geogate.events.>", got.take); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil { // else the first event may be faster
		t.Fatal(err)
	}
	l := newLog(t)
	bus := natsbus.New(s.url(), l, natsbus.Services{}, natsbus.Config{})
	asynctest.Background(t, bus.Run)
	id := publish(t, l, "news.flash", 1)
	asynctest.Eventually(t, "event on the bus", func() bool { return got.len() == 1 })
	if got.ids[0] != id {
		t.Errorf("got %v, want %s", got.ids, id)
	}
	asynctest.Eventually(t, "counted", func() bool { return bus.Stats() == natsbus.Stats{Connected: true, Published: 1} })
}

// The bus is not there when geogate starts, then is killed and restarted under load:
// publishing events never fails or waits, and each one is in JetStream once.
func TestEventsOfTheGapAreStored(t *testing.T) {
	t.Parallel()
	s := newNATS(t, true)
	l := newLog(t)
	for range 2 { // two processes
		asynctest.Background(t, natsbus.New(s.url(), l, natsbus.Services{}, natsbus.Config{}).Run)
	}
	n, slow := 0, 0
	load := func(events int) {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for range events {
			<-tick.C
			started := time.Now()
			publish(t, l, "request.matched", n)
			if time.Since(started) > time.Second {
				slow++
			}
			n++
		}
	}
	load(100)
	s.start(t)
	load(200)
	s.stop()
	load(200)
	s.start(t)
	load(200)
	js, err := jetstream.New(s.connect(t))
	if err != nil {
		t.Fatal(err)
	}
	var stored jetstream.Stream
	asynctest.Eventually(t, "all stored", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if stored, err = js.Stream(ctx, "GEOGATE_EVENTS"); err != nil {
			return false
		}
		info, err := stored.Info(ctx)
		return err == nil && info.State.Msgs >= uint64(n)
	})
	seen := map[string]bool{}
	for seq := range uint64(n) {
		m, err := stored.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		var envelope struct {
			ID   string
			Data int
		}
		if err := json.Unmarshal(m.Data, &envelope); err != nil {
			t.Fatal(err)
		}
		if seen[envelope.ID] {
			t.Errorf("%s is stored twice", envelope.ID)
		}
		seen[envelope.ID] = true
	}
	if len(seen) != n {
		t.Errorf("%d events stored, want %d", len(seen), n)
	}
	if slow > n/10 { // the bus was away for three sevenths of them
		t.Errorf("publishing took more than a second for %d of %d events", slow, n)
	}
}

// Several processes share the requests; each request is answered once.
func TestRequestsAreShared(t *testing.T) {
	t.Parallel()
	s := newNATS(t, false)
	l := newLog(t)
	var answers [3]atomic.Int64
	for i := range answers {
		services := natsbus.Services{
			Geocode: func(_ context.Context, request []byte) (int, []byte) {
				answers[i].Add(1)
				return http.StatusOK, append([]byte("found "), request...)
			},
			Nearby: func(context.Context, []byte) (int, []byte) { return http.StatusBadRequest, []byte(`{"code":"x"}`) },
		}
		asynctest.Background(t, natsbus.New(s.url(), l, services, natsbus.Config{}).Run)
	}
	s.start(t) // after the services: they wait for the bus
	conn := s.connect(t)
	ask := func(subject, data string) (*nats.Msg, error) { return conn.Request(subject, []byte(data), time.Minute) }
	asynctest.Eventually(t, "services are there", func() bool { _, err := ask("geogate.geocode", "x"); return err == nil })
	asynctest.Eventually(t, "requests are shared", func() bool {
		m, err := ask("geogate.geocode", "rome")
		if err != nil || string(m.Data) != "found rome" {
			t.Fatalf("geogate.geocode = %v, %v", m, err)
		}
		return answers[0].Load() > 0 && answers[1].Load() > 0 && answers[2].Load() > 0
	})
	before := answers[0].Load() + answers[1].Load() + answers[2].Load()
	for range 20 {
		if _, err := ask("geogate.geocode", "x"); err != nil {
			t.Fatal(err)
		}
	}
	if after := answers[0].Load() + answers[1].Load() + answers[2].Load(); after-before != 20 {
		t.Errorf("20 requests were answered %d times", after-before)
	}
	m, err := ask("geogate.nearby", "{}")
	if err != nil || m.Header.Get("Nats-Service-Error-Code") != "400" || string(m.Data) != `{"code":"x"}` {
		t.Errorf("a refusal = %v, %v", m, err)
	}
}

func TestRequestsHaveDeadlineAndBound(t *testing.T) {
	t.Parallel()
	s := newNATS(t, false)
	s.start(t)
	refused := make(chan struct{}) // the second of two
	hold := func(ctx context.Context, _ []byte) (int, []byte) {
		select {
		case <-refused:
		case <-ctx.Done():
		}
		return http.StatusGatewayTimeout, nil
	}
	untilTheDeadline := func(ctx context.Context, _ []byte) (int, []byte) {
		<-ctx.Done()
		return http.StatusGatewayTimeout, nil
	}
	l := newLog(t)
	conn := s.connect(t)
	stop := asynctest.Background(t, natsbus.New(s.url(), l, natsbus.Services{Geocode: untilTheDeadline},
		natsbus.Config{Deadline: 50 * time.Millisecond}).Run)
	asynctest.Eventually(t, "a request ends with its deadline", func() bool {
		m, err := conn.Request("geogate.geocode", nil, time.Minute)
		return err == nil && m.Header.Get("Nats-Service-Error-Code") == "504"
	})
	stop()
	asynctest.Background(t, natsbus.New(s.url(), l, natsbus.Services{
		Geocode: hold, Nearby: func(context.Context, []byte) (int, []byte) { return http.StatusOK, nil },
	}, natsbus.Config{Deadline: time.Hour, MaxInFlight: 1}).Run)
	asynctest.Eventually(t, "the service is there", func() bool {
		_, err := conn.Request("geogate.nearby", nil, time.Minute)
		return err == nil
	})
	inbox := conn.NewInbox()
	replies := make(chan *nats.Msg, 2)
	if _, err := conn.ChanSubscribe(inbox, replies); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := conn.PublishRequest("geogate.geocode", inbox, nil); err != nil {
			t.Fatal(err)
		}
	}
	codes := (<-replies).Header.Get("Nats-Service-Error-Code")
	close(refused)
	codes += " " + (<-replies).Header.Get("Nats-Service-Error-Code")
	if codes != "503 504" {
		t.Errorf("two requests at once: %s, want 503 504", codes)
	}
}

func TestWrongURL(t *testing.T) {
	bus := natsbus.New("nats://user:geheim@[", newLog(t), natsbus.Services{}, natsbus.Config{})
	err := bus.Run(t.Context())
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("Run = %v, want an error without the password", err)
	}
}

// Events tell the trace that they belong to, where there is one, and questions are answered
// in theirs.
func TestTracesGoOverTheBus(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := newNATS(t, false)
	s.start(t)
	conn := s.connect(t)
	events := make(chan *nats.Msg, 2)
	if _, err := conn.ChanSubscribe("geogate.events.>", events); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil { // else the first event may be faster
		t.Fatal(err)
	}
	l := newLog(t)
	asynctest.Background(t, natsbus.New(s.url(), l, natsbus.Services{
		Geocode: func(ctx context.Context, _ []byte) (int, []byte) { return http.StatusOK, []byte(trace.Header(ctx)) },
	}, natsbus.Config{}).Run)

	for _, want := range []string{parent, ""} {
		ctx := trace.With(t.Context(), trace.Scope{Context: trace.Parse(want)})
		if _, _, err := l.Publish(ctx, event.Publication{Type: "news.flash", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-events:
			if got := m.Header.Get("traceparent"); got != want {
				t.Errorf("the event has traceparent %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatal("no event on the bus")
		}
	}
	for _, want := range []string{parent, ""} {
		question := nats.NewMsg("geogate.geocode")
		if want != "" {
			question.Header.Set("traceparent", want)
		}
		var answer *nats.Msg
		asynctest.Eventually(t, "the service answers", func() (answered bool) {
			var err error
			answer, err = conn.RequestMsg(question, time.Second)
			return err == nil
		})
		if got := string(answer.Data); got != want {
			t.Errorf("a question is answered in trace %q, want %q", got, want)
		}
	}
}

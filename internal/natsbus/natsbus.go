// Package natsbus joins geogate to a NATS bus: it publishes every event of the log,
// and answers requests for places and for drivers, sharing them with the other
// geogates on the bus.
//
// The bus is optional. It may come late, go and come back without HTTP noticing. What
// happened meanwhile is published when it is back, because the log keeps events until
// this package's group has read them. With JetStream on the server an event is stored
// before it counts as published, and a repeated one is dropped by its id; without, it
// goes to whoever listens at the time.
package natsbus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/rs/zerolog"

	"geogate/internal/event"
	"geogate/internal/trace"
)

// Names on the bus; they are a contract.
const (
	EventSubjects  = "geogate.events." // and the event's type
	GeocodeSubject = "geogate.geocode"
	NearbySubject  = "geogate.nearby"

	queueGroup = "geogate"
	streamName = "GEOGATE_EVENTS"
	group      = "nats" // in the event log
)

const (
	connectTimeout = 2 * time.Second
	reconnectWait  = 500 * time.Millisecond
	serverTimeout  = 2 * time.Second // for one question to JetStream
	// duplicates is how long JetStream remembers ids in a stream that we create. It
	// covers a takeover and a reconnection many times over.
	duplicates   = 10 * time.Minute
	maxEventLife = 24 * time.Hour // in a stream that we create
)

// ErrAway means that there is no connection to the bus.
var ErrAway = errors.New("bus is away")

// AnswerFunc answers a request with an HTTP status and a JSON body. It keeps to the
// deadline of its context.
type AnswerFunc func(ctx context.Context, request []byte) (status int, body []byte)

// Services are what the bus can be asked for; nil ones are not offered.
type Services struct {
	Geocode AnswerFunc // the body of POST /api
	Nearby  AnswerFunc // the body of POST /search
}

// Config adjusts a Bus. Zero values mean the defaults given.
type Config struct {
	Deadline    time.Duration // for one request; 10 s
	MaxInFlight int           // requests answered at once, more are refused with 503; 64
	Log         zerolog.Logger
}

// Bus is one process's connection to the bus.
type Bus struct {
	url      string
	events   *event.Log
	services Services
	cfg      Config

	connected atomic.Bool
	published atomic.Int64
	answered  atomic.Int64
}

// New returns a bus at a NATS URL, several separated by commas. It connects to
// nothing yet.
func New(url string, events *event.Log, services Services, cfg Config) *Bus {
	if cfg.Deadline == 0 {
		cfg.Deadline = 10 * time.Second
	}
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = 64
	}
	return &Bus{url: url, events: events, services: services, cfg: cfg}
}

// Stats counts since the start of the process.
type Stats struct {
	Connected bool
	Published int64 // events that the bus took; repeats count again
	Answered  int64 // requests
}

// Stats returns what the bus did so far.
func (b *Bus) Stats() Stats {
	return Stats{Connected: b.connected.Load(), Published: b.published.Load(), Answered: b.answered.Load()}
}

// Run connects, publishes and answers until ctx ends; then it lets running requests
// finish. A bus that is away is logged and waited for. The error is that of a URL or
// credential that can never work.
func (b *Bus) Run(ctx context.Context) error {
	conn, err := connect(b.url, "geogate", b.cfg.Log,
		nats.ConnectHandler(func(*nats.Conn) { b.noteState(true) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.noteState(true) }),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { b.noteState(false) }),
	)
	if err != nil {
		return err
	}
	defer conn.Close()
	b.noteState(conn.IsConnected())
	stop, err := b.serve(conn)
	if err != nil {
		return fmt.Errorf("serve bus: %w", err)
	}
	defer stop()
	p, err := newPublisher(conn)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	return b.events.Consume(ctx, group, func(ctx context.Context, events []event.Event) error {
		if err := p.publish(ctx, events); err != nil {
			return fmt.Errorf("publish to bus: %w", err)
		}
		b.published.Add(int64(len(events)))
		return nil
	})
}

// connect returns a connection that comes when the bus does, and comes back as often
// as it does.
func connect(url, name string, log zerolog.Logger, more ...nats.Option) (*nats.Conn, error) {
	conn, err := nats.Connect(url, append(more,
		nats.Name(name),
		nats.Timeout(connectTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ReconnectBufSize(-1), // what cannot be sent fails at once, and stays with who sends it
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn().Err(err).Msg("bus complains")
		}),
	)...)
	if err != nil {
		return nil, errors.New("connect to bus: NATS_URL or its credentials cannot be used") // the error may quote the URL
	}
	return conn, nil
}

func (b *Bus) noteState(connected bool) {
	if b.connected.Swap(connected) == connected {
		return
	}
	if connected {
		b.cfg.Log.Info().Msg("bus connected")
	} else {
		b.cfg.Log.Warn().Msg("bus away")
	}
}

// serve answers requests until stop is called, which waits for running ones.
func (b *Bus) serve(conn *nats.Conn) (stop func(), err error) {
	service, err := micro.AddService(conn, micro.Config{
		Name: "geogate", Version: "1.0.0", QueueGroup: queueGroup,
		Description: "places by address or position, and the nearest drivers",
	})
	if err != nil {
		return nil, err
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, b.cfg.MaxInFlight)
	add := func(name, subject string, answer AnswerFunc) error {
		if answer == nil {
			return nil
		}
		return service.AddEndpoint(name, micro.HandlerFunc(func(req micro.Request) {
			select {
			case slots <- struct{}{}:
			default:
				b.refuse(req, http.StatusServiceUnavailable, "too many requests at once")
				return
			}
			running.Go(func() {
				defer func() { <-slots }()
				b.answer(req, answer)
			})
		}), micro.WithEndpointSubject(subject))
	}
	err = errors.Join(
		add("geocode", GeocodeSubject, b.services.Geocode),
		add("nearby", NearbySubject, b.services.Nearby),
	)
	stop = func() {
		if err := service.Stop(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && b.connected.Load() {
			b.cfg.Log.Debug().Err(err).Msg("bus services not stopped in order")
		}
		running.Wait()
		if b.connected.Load() {
			_ = conn.FlushTimeout(time.Second) // the last answers; nothing to do if they cannot go
		}
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (b *Bus) answer(req micro.Request, answer AnswerFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Deadline)
	defer cancel()
	ctx = trace.With(ctx, trace.Scope{Context: trace.Parse(req.Headers().Get(trace.HeaderName))})
	status, body := answer(ctx, req.Data())
	b.answered.Add(1)
	if status > 299 {
		b.respond(req.Error(strconv.Itoa(status), http.StatusText(status), body))
		return
	}
	b.respond(req.Respond(body))
}

func (b *Bus) refuse(req micro.Request, status int, why string) {
	b.respond(req.Error(strconv.Itoa(status), why, nil))
}

// respond looks at what became of an answer: a requester can only be told by the bus
// that carries the answer, so there is nobody to tell when it does not.
func (b *Bus) respond(err error) {
	if err != nil {
		b.cfg.Log.Debug().Err(err).Msg("answer not sent over the bus")
	}
}

// publisher puts events on the bus, by JetStream when the server has it.
type publisher struct {
	conn *nats.Conn
	js   jetstream.JetStream

	asked  uint64 // the reconnection in which the server was asked what it has, plus one
	stored bool   // it has JetStream
}

func newPublisher(conn *nats.Conn) (*publisher, error) {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncTimeout(serverTimeout))
	if err != nil {
		return nil, err
	}
	return &publisher{conn: conn, js: js}, nil
}

// publish returns when the bus has every event.
func (p *publisher) publish(ctx context.Context, events []event.Event) error {
	if !p.conn.IsConnected() {
		return ErrAway
	}
	if err := p.ask(ctx); err != nil {
		return err
	}
	if p.stored {
		return p.store(ctx, events)
	}
	for _, e := range events {
		if err := p.conn.PublishMsg(message(e)); err != nil {
			return err
		}
	}
	return p.conn.FlushWithContext(ctx)
}

func message(e event.Event) *nats.Msg {
	m := nats.NewMsg(EventSubjects + e.Type)
	m.Header.Set(jetstream.MsgIDHeader, e.ID)
	if e.Trace != "" {
		m.Header.Set(trace.HeaderName, e.Trace)
	}
	m.Data = e.Envelope()
	return m
}

// store sends events in order and waits until all are stored.
func (p *publisher) store(ctx context.Context, events []event.Event) error {
	futures := make([]jetstream.PubAckFuture, 0, len(events))
	for _, e := range events {
		future, err := p.js.PublishMsgAsync(message(e))
		if err != nil {
			return err
		}
		futures = append(futures, future)
	}
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
				p.asked = 0 // the stream was deleted: look again
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ask finds out, once a connection, whether the server has JetStream, and makes sure
// that some stream takes our events. An operator's own stream is left as it is.
func (p *publisher) ask(ctx context.Context) error {
	connection := p.conn.Stats().Reconnects + 1
	if p.asked == connection {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	_, err := p.js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		p.asked, p.stored = connection, false
		return nil
	case err != nil:
		return fmt.Errorf("ask for jetstream: %w", err)
	}
	_, err = p.js.StreamNameBySubject(ctx, EventSubjects+">")
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = p.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: streamName, Subjects: []string{EventSubjects + ">"},
			Description: "events of geogate", MaxAge: maxEventLife, Duplicates: duplicates,
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			err = nil // another geogate was faster, or an operator gave it other subjects
		}
	}
	if err != nil {
		return fmt.Errorf("look for stream: %w", err)
	}
	p.asked, p.stored = connection, true
	return nil
}

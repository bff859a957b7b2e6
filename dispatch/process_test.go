package dispatch_test

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/event"
)

// With these flags the test binary is a process with an engine of its own, which
// clients call over a socket, and which tests kill.
var (
	engineRedis  = flag.String("engine", "", "run an engine on this Redis instead of tests")
	engineSocket = flag.String("engine-socket", "", "the Unix socket on which it is called")
	engineOffers = flag.Bool("engine-offers", false, "with offers")
)

// remoteCall is a call of an engine in another process, and remoteAnswer what it
// returned. A connection carries one after the other.
type remoteCall struct {
	Method     string
	ID, Driver string // of what the method asks for
	Region     string
	Request    dispatch.RideRequest
	Positions  []dispatch.Position
}

type remoteAnswer struct {
	Ride    dispatch.Ride
	Driver  dispatch.Driver
	Offers  []dispatch.Offer
	Tracked dispatch.TrackResult

	TooLate, NotFound, Engaged, KeyReused, Unavailable bool
	Failure                                            string // any other error
}

// serveEngine runs an engine and answers calls of it until ctx ends.
func serveEngine(ctx context.Context, socket, redisAddr string, offers bool) error {
	rdb := unrepeating(redisAddr)
	defer func() { _ = rdb.Close() }()
	engine := newEngine(rdb, offers)
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerCalls(ctx, conn, engine)
		}
	}()
	return engine.Run(ctx)
}

// newEngine returns one that works two regions and hands events on.
func newEngine(rdb redis.UniversalClient, offers bool) *dispatch.Engine {
	cfg := workloadConfig(offers)
	cfg.Regions, cfg.Emit = soakRegions, publish(event.New(rdb, event.Config{}))
	cfg.MaxPerRider = 1000 // riders of a town have no cap to get in their way
	return dispatch.New(rdb, cfg)
}

// publish puts all that dispatch tells into the log of events, where told finds it.
func publish(log *event.Log) dispatch.EmitFunc {
	return func(ctx context.Context, events []dispatch.Event) error {
		all := make([]event.Publication, len(events))
		for i, ev := range events {
			ev.Ride, ev.Driver = nil, nil
			data, err := json.Marshal(ev)
			if err != nil {
				return err
			}
			all[i] = event.Publication{Type: ev.Type, At: ev.At, Source: ev.Region, Position: ev.ID, Data: data}
		}
		return log.PublishAll(ctx, all)
	}
}

// told waits until everything is handed on, and returns what was, by region and in the
// order in which it was.
func told(t *testing.T, rdb redis.UniversalClient, regions ...string) map[string][]dispatch.Event {
	t.Helper()
	for _, region := range regions {
		asynctest.Eventually(t, "events are handed on", func() bool {
			left, err := rdb.XLen(t.Context(), "geogate:{"+region+"}:events").Result()
			return err == nil && left == 0
		})
	}
	var entries []redis.XMessage
	asynctest.Eventually(t, "the log of events is read", func() (done bool) {
		var err error
		entries, err = rdb.XRange(t.Context(), event.StreamKey, "-", "+").Result()
		return err == nil
	})
	all := make(map[string][]dispatch.Event)
	for _, entry := range entries {
		var ev dispatch.Event
		if err := json.Unmarshal([]byte(fmt.Sprint(entry.Values["data"])), &ev); err != nil {
			t.Fatal(err)
		}
		all[ev.Region] = append(all[ev.Region], ev)
	}
	return all
}

func answerCalls(ctx context.Context, conn net.Conn, e *dispatch.Engine) {
	defer func() { _ = conn.Close() }()
	in, out := gob.NewDecoder(conn), gob.NewEncoder(conn)
	for {
		var call remoteCall
		if in.Decode(&call) != nil || out.Encode(answerCall(ctx, e, call)) != nil {
			return
		}
	}
}

func answerCall(ctx context.Context, e *dispatch.Engine, c remoteCall) remoteAnswer {
	var a remoteAnswer
	var err error
	switch c.Method {
	case "track":
		a.Tracked, err = e.Track(ctx, c.Positions)
	case "request":
		a.Ride, err = e.Request(ctx, c.Request)
	case "ride":
		a.Ride, err = e.Ride(ctx, c.ID)
	case "cancel":
		a.Ride, err = e.Cancel(ctx, c.ID, "")
	case "arrive":
		a.Ride, err = e.Arrive(ctx, c.ID, c.Driver)
	case "start":
		a.Ride, err = e.Start(ctx, c.ID, c.Driver)
	case "complete":
		a.Ride, err = e.Complete(ctx, c.ID, c.Driver)
	case "release":
		a.Ride, err = e.Release(ctx, c.ID, c.Driver, "")
	case "driver":
		a.Driver, err = e.Driver(ctx, c.Region, c.ID)
	case "online", "offline":
		a.Driver, err = e.SetShift(ctx, c.Region, c.ID, c.Method == "online")
	case "delete":
		err = e.DeleteDriver(ctx, c.Region, c.ID)
	case "offers":
		a.Offers, err = e.OffersNow(ctx, c.Region, c.Driver)
	case "accept":
		a.Ride, err = e.Accept(ctx, c.ID, c.Driver)
	case "decline":
		a.Ride, err = e.Decline(ctx, c.ID, c.Driver)
	default:
		err = errors.New("no such method")
	}
	var late *dispatch.StateError
	switch {
	case errors.As(err, &late):
		a.Ride, a.TooLate = late.Ride, true
	case errors.Is(err, dispatch.ErrNotFound):
		a.NotFound = true
	case errors.Is(err, dispatch.ErrDriverEngaged):
		a.Engaged = true
	case errors.Is(err, dispatch.ErrKeyReused):
		a.KeyReused = true
	case errors.Is(err, dispatch.ErrUnavailable):
		a.Unavailable = true
	case err != nil:
		a.Failure = err.Error()
	}
	return a
}

// remote calls the engine of another process. A call that the process does not live to
// answer is ErrUnavailable, as it is for a client whose connection breaks.
type remote struct {
	socket string
	idle   chan *remoteConn
}

type remoteConn struct {
	net.Conn
	in  *gob.Decoder
	out *gob.Encoder
}

func newRemote(t *testing.T, socket string) *remote {
	r := &remote{socket: socket, idle: make(chan *remoteConn, 2*clients)}
	t.Cleanup(func() {
		for len(r.idle) > 0 {
			_ = (<-r.idle).Close()
		}
	})
	return r
}

func (r *remote) call(ctx context.Context, c remoteCall) (remoteAnswer, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return remoteAnswer{}, fmt.Errorf("%w: %w", dispatch.ErrUnavailable, err)
	}
	var a remoteAnswer
	if err := errors.Join(conn.SetDeadline(time.Now().Add(5*time.Second)), conn.out.Encode(c), conn.in.Decode(&a)); err != nil {
		_ = conn.Close()
		return remoteAnswer{}, fmt.Errorf("%w: %w", dispatch.ErrUnavailable, err)
	}
	select {
	case r.idle <- conn:
	default:
		_ = conn.Close()
	}
	switch {
	case a.TooLate:
		return a, &dispatch.StateError{Ride: a.Ride}
	case a.NotFound:
		return a, dispatch.ErrNotFound
	case a.Engaged:
		return a, dispatch.ErrDriverEngaged
	case a.KeyReused:
		return a, dispatch.ErrKeyReused
	case a.Unavailable:
		return a, dispatch.ErrUnavailable
	case a.Failure != "":
		return a, errors.New(a.Failure)
	}
	return a, nil
}

func (r *remote) connect(ctx context.Context) (*remoteConn, error) {
	select {
	case conn := <-r.idle:
		return conn, nil
	default:
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", r.socket)
	if err != nil {
		return nil, err
	}
	return &remoteConn{conn, gob.NewDecoder(conn), gob.NewEncoder(conn)}, nil
}

func (r *remote) Track(ctx context.Context, positions []dispatch.Position) (dispatch.TrackResult, error) {
	a, err := r.call(ctx, remoteCall{Method: "track", Positions: positions})
	return a.Tracked, err
}

func (r *remote) Request(ctx context.Context, req dispatch.RideRequest) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "request", Request: req})
}

func (r *remote) Ride(ctx context.Context, id string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "ride", ID: id})
}

func (r *remote) Cancel(ctx context.Context, id, _ string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "cancel", ID: id})
}

func (r *remote) Arrive(ctx context.Context, id, driver string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "arrive", ID: id, Driver: driver})
}

func (r *remote) Start(ctx context.Context, id, driver string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "start", ID: id, Driver: driver})
}

func (r *remote) Complete(ctx context.Context, id, driver string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "complete", ID: id, Driver: driver})
}

func (r *remote) Release(ctx context.Context, id, driver, _ string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "release", ID: id, Driver: driver})
}

func (r *remote) ride(ctx context.Context, c remoteCall) (dispatch.Ride, error) {
	a, err := r.call(ctx, c)
	return a.Ride, err
}

func (r *remote) Driver(ctx context.Context, region, id string) (dispatch.Driver, error) {
	a, err := r.call(ctx, remoteCall{Method: "driver", Region: region, ID: id})
	return a.Driver, err
}

func (r *remote) DeleteDriver(ctx context.Context, region, id string) error {
	_, err := r.call(ctx, remoteCall{Method: "delete", Region: region, ID: id})
	return err
}

func (r *remote) SetShift(ctx context.Context, region, id string, on bool) (dispatch.Driver, error) {
	method := "offline"
	if on {
		method = "online"
	}
	a, err := r.call(ctx, remoteCall{Method: method, Region: region, ID: id})
	return a.Driver, err
}

func (r *remote) OffersNow(ctx context.Context, region, driver string) ([]dispatch.Offer, error) {
	a, err := r.call(ctx, remoteCall{Method: "offers", Region: region, Driver: driver})
	return a.Offers, err
}

func (r *remote) Accept(ctx context.Context, offer, driver string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "accept", ID: offer, Driver: driver})
}

func (r *remote) Decline(ctx context.Context, offer, driver string) (dispatch.Ride, error) {
	return r.ride(ctx, remoteCall{Method: "decline", ID: offer, Driver: driver})
}

// engineProcess is an engine in a process of its own.
type engineProcess struct{ cmd *exec.Cmd }

// startEngine starts one that is called on the socket, which it takes over from a
// process that was killed.
func startEngine(socket, redisAddr string, offers bool) (engineProcess, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return engineProcess{}, err
	}
	cmd := exec.Command(os.Args[0], "-engine", redisAddr, "-engine-socket", socket, fmt.Sprintf("-engine-offers=%t", offers))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = asynctest.Child()
	return engineProcess{cmd}, cmd.Start()
}

// kill ends the process as a power cut would.
func (p engineProcess) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

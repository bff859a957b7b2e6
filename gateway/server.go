package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/gateway/fastlane"
	"geogate/gateway/geocoding"
	"geogate/internal/arrival"
	"geogate/internal/fleet"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	// idleTimeout is above the 90 s for which Heroku's router keeps a
	// connection: the side that closes first must not be the server, or the
	// router sends a request into a closing connection.
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
	// writeTimeout bounds one answer; streams extend it with every write.
	writeTimeout = 45 * time.Second
	// drainTimeout is below the 30 s that Heroku gives between SIGTERM and
	// SIGKILL, with room for what is stopped after the server.
	drainTimeout = 20 * time.Second
)

// Serve answers requests on l until ctx ends, then drains: readiness turns to
// 503, streams and waits are told to end, running requests finish. It returns
// nil after a clean drain.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	conns := newConnections(g.conns)
	server := &http.Server{
		Handler:           conns.serving(g),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          serverLog(g.log),
		ConnState:         conns.note,
		ConnContext:       conns.context,
	}
	l = arrival.Listen(l)
	if g.fastLane {
		l = g.lane(l)
	}
	l = conns.listen(l)
	// The console's pictures begin with the process, whoever looks at them later.
	sampling, stopSampling := context.WithCancel(ctx)
	g.console.Begin()
	var sampler sync.WaitGroup
	sampler.Go(func() { g.console.Run(sampling) })
	defer sampler.Wait()
	defer stopSampling()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	g.Open()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}

	g.Drain()
	server.SetKeepAlivesEnabled(false)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	g.finish(deadline)
	err := server.Shutdown(deadline)
	if err != nil {
		_ = server.Close()
		err = fmt.Errorf("drain http: %w", err)
	}
	if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// Open lets /readyz say that requests may come. Serve calls it.
func (g *Gateway) Open() { g.ready.Store(true) }

// Drain ends readiness, streams and waits, once and for all. Serve calls it.
func (g *Gateway) Drain() {
	g.ready.Store(false)
	g.drain()
}

// laneSources answer the routes whose policy is that of the lane's answers.
func (g *Gateway) laneSources() map[string]exchange.Source {
	sources := map[string]exchange.Source{}
	for _, rt := range g.table {
		endpoint, found := geocoding.EndpointOf(rt.pattern)
		switch {
		case rt.method != get:
		case found && rt.policy == dropIn:
			sources[rt.pattern] = g.whileNormal(g.geocoding.HeldDropIn(endpoint))
		case rt.pattern == "/api" && rt.policy == open:
			sources[rt.pattern] = g.whileNormal(g.geocoding.Held)
		}
	}
	return sources
}

// whileNormal is source while the fleet's mode is normal: answers of the lane do not
// tell of another one.
func (g *Gateway) whileNormal(source exchange.Source) exchange.Source {
	return func(ex *exchange.Exchange, query, acceptLanguage string, wait func() bool, take func(cache.Result) bool) (hit exchange.Hit, held bool) {
		if g.fleet.Mode() != fleet.Normal {
			return exchange.Hit{}, false
		}
		if g.tracer != nil {
			wait = nil // a trace tells of what was asked of Redis: the handlers do
		}
		return source(ex, query, acceptLanguage, wait, take)
	}
}

// lane answers plain hits ahead of net/http.
func (g *Gateway) lane(l net.Listener) net.Listener {
	return fastlane.Listen(l, fastlane.Config{
		Log: g.log, Sources: g.laneSources(), Limits: g.limits, Caller: g.laneCaller, Proxies: g.proxies,
		Answered: func(ex *exchange.Exchange, route string, took time.Duration) {
			g.metrics.ObserveLane()
			// A request with a traceparent is none for the lane. A trace that nobody wants
			// and that is passed on to nobody is none.
			if scope := g.tracer.Begin(""); scope.Sampled() {
				ex.Trace = scope
			}
			g.logAccess(ex, route, http.MethodGet, took)
		},
		UnderWay: &g.underWay, Draining: func() bool { return g.draining.Err() != nil },
		IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
	})
}

// lameDuck is how long new requests are still answered while old ones finish.
const lameDuck = 5 * time.Second

// finish waits until no request is under way, probes aside, but not for ever. As
// long as the port is open, a load balancer hears from /readyz that this process
// is going, and what it sent before is still served.
func (g *Gateway) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lameDuck)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for g.underWay.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/event"
	"geogate/internal/natsbus"
	"geogate/internal/schema"
	"geogate/internal/webhook"
)

type serveCmd struct{}

// Run serves until the process is told to stop.
func (serveCmd) Run(p *process) error {
	cfg, err := loadConfig(p.getenv)
	if err != nil {
		return err
	}
	out, flush := gatherLines(p.stderr)
	defer flush()
	a, err := newApp(cfg, newLogger(cfg, out))
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", net.JoinHostPort("", strconv.Itoa(cfg.Port)))
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), a.redis.Close())
	}
	writeBanner(p.ctx, p.stderr, a, l.Addr())
	return a.serve(p.ctx, l)
}

// app is every part of a running geogate.
type app struct {
	cfg     Config
	log     zerolog.Logger
	redis   *redisServer
	engine  *dispatch.Engine
	events  *event.Log
	guard   *webhook.Guard
	sender  *webhook.Sender
	bus     *natsbus.Bus // nil without NATS_URL
	gateway *gateway.Gateway
	metrics *gateway.Metrics
	jobs    *jobs
	watch   *schema.Watch
	*geocoding
}

// newApp builds the parts and starts none of them.
func newApp(cfg Config, log zerolog.Logger) (*app, error) {
	redis.SetLogger(redisLog{log})
	rdb, err := openRedis(cfg)
	if err != nil {
		return nil, err
	}
	metrics := gateway.NewMetrics()
	geo, err := openGeocoding(cfg, rdb, log, metrics)
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	work, err := openJobs(cfg, rdb, log)
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	a := &app{cfg: cfg, log: log, redis: rdb, geocoding: geo, jobs: work, metrics: metrics}
	a.watch = schema.NewWatch(rdb, sharedSettings(cfg), log)
	a.engine = dispatch.New(rdb, dispatch.Config{
		Log:          log,
		Timeout:      time.Duration(cfg.DispatchTimeout),
		Interval:     time.Duration(cfg.DispatchInterval),
		RadiiM:       cfg.DispatchRadii.metres(),
		OfferTTL:     time.Duration(cfg.DispatchOfferTTL),
		MaxPerRider:  cfg.DispatchMaxPerRider,
		MaxRides:     cfg.DispatchMaxRides,
		Retention:    time.Duration(cfg.DispatchRetention),
		RideTTL:      time.Duration(cfg.DispatchRideTTL),
		DriverTTL:    time.Duration(cfg.DriverTTL),
		Emit:         a.emit,
		RedisTimeout: rdb.budget(),
	})
	a.events = event.New(rdb, event.Config{Log: log})
	a.guard = webhook.NewGuard(webhook.GuardConfig{Open: cfg.WebhookAllow})
	hooks := webhook.Config{
		Retries:   webhook.Schedule(cfg.WebhookRetries),
		UserAgent: "geogate/" + buildVersion(),
		Log:       log,
	}
	a.sender = webhook.NewSender(rdb, a.events, a.guard, hooks)
	events := gateway.Events{Log: a.events, Subscribers: webhook.NewRegistry(rdb, a.guard, hooks)}
	a.gateway = gateway.New(geo.geocoder, a.engine, events, rdb.ping, gateway.Config{
		Log:            log,
		Version:        buildVersion(),
		RateLimit:      gateway.RateLimit{Requests: cfg.RateLimit.requests, Per: cfg.RateLimit.per},
		TrustedProxies: cfg.TrustedProxies.hops,
		AdminToken:     string(cfg.AdminToken),
		CORSOrigins:    cfg.CORSOrigins,
		Metrics:        metrics,
		ReverseCells:   cfg.ReverseCells,
		Jobs:           work.master,
		FastLane:       bool(cfg.FastLane),
	})
	if cfg.NATSURL != "" {
		a.bus = natsbus.New(string(cfg.NATSURL), a.events, natsbus.Services{
			Geocode: a.answer("/api"),
			Nearby:  a.answer("/search"),
		}, natsbus.Config{Log: log})
		metrics.ObserveBus(func() (connected bool, published, answered int64) {
			s := a.bus.Stats()
			return s.Connected, s.Published, s.Answered
		})
	}
	return a, nil
}

// serve runs every part until ctx ends. The order of the end matters: HTTP
// drains while everything it needs still runs, then the engine and the cache
// give back what they hold, and Redis goes last.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	support, stopSupport := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSupport()
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	var parts errgroup.Group
	parts.Go(func() error { return runWatch(support, a.watch, refuse) })
	// What changes Redis by itself begins when what is there fits this release.
	checked := func(run func(context.Context) error) {
		parts.Go(func() error {
			select {
			case <-a.watch.Checked():
				return run(support)
			case <-support.Done():
				return nil
			}
		})
	}
	checked(a.engine.Run)
	checked(a.events.Run)
	checked(a.sender.Run)
	parts.Go(func() error { return a.cache.Run(support) })
	if a.bus != nil {
		parts.Go(func() error {
			if err := a.bus.Run(support); err != nil { // nothing else needs the bus
				a.log.Error().Err(err).Msg("bus given up")
			}
			return nil
		})
	}
	parts.Go(func() error { return a.jobs.bell.Run(support) })
	parts.Go(func() error { return a.jobs.master.Run(support) })
	if a.cfg.Workers > 0 {
		worker := a.jobs.worker(a.geocoding, a.cfg.Workers)
		parts.Go(func() error { return worker.Run(ctx) }) // gives its chunks back while HTTP drains
	}

	clock, stopClock := context.WithCancel(context.WithoutCancel(ctx))
	defer stopClock()
	var redisClock errgroup.Group
	if a.redis.builtIn != nil {
		redisClock.Go(func() error { return a.redis.builtIn.Run(clock) })
	}

	err := a.gateway.Serve(ctx, l)
	stopSupport()
	err = errors.Join(err, parts.Wait())
	a.guard.Close()
	stopClock()
	err = errors.Join(err, redisClock.Wait(), a.redis.Close())
	a.log.Info().Msg("stopped")
	return err
}

type healthcheckCmd struct{}

// healthcheckTimeout is below what container runtimes commonly allow.
const healthcheckTimeout = 3 * time.Second

// Run asks /healthz on this machine.
func (healthcheckCmd) Run(p *process) error {
	cfg, err := loadConfig(p.getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, healthcheckTimeout)
	defer cancel()
	url := fmt.Sprintf("http://%s/healthz", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask healthz: status %d", res.StatusCode)
	}
	return nil
}

package command

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"geogate/dispatch"
	"geogate/gateway"
	"geogate/internal/basemap"
	"geogate/internal/command/redisclient"
	"geogate/internal/event"
	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/identity"
	"geogate/internal/memory"
	"geogate/internal/natsbus"
	"geogate/internal/routing"
	"geogate/internal/schema"
	"geogate/internal/trace"
	"geogate/internal/turns"
	"geogate/internal/webhook"
)

// app is every part of a running geogate.
type app struct {
	cfg      settings
	log      zerolog.Logger
	redis    *redisclient.Client
	engine   *dispatch.Engine
	events   *event.Log
	guard    *webhook.Guard
	sender   *webhook.Sender
	bus      *natsbus.Bus // nil without NATS_URL
	gateway  *gateway.Gateway
	metrics  *gateway.Metrics
	jobs     *jobs
	watch    *schema.Watch
	identity *identities
	router   *routing.Router
	mapStyle *basemap.Styles // nil without MAP_STYLE_URL
	tracer   *trace.Tracer   // nil: nobody wants spans
	memory   *memory.Target  // nil with GOMEMLIMIT or the built-in Redis
	*geocoding
}

// newApp builds the parts and starts none of them.
func newApp(s settings, log zerolog.Logger) (*app, error) {
	redisclient.LogTo(log)
	rdb := redisclient.Open(s.redis)
	places, err := gazetteer.Load()
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	metrics := gateway.NewMetrics()
	metrics.TellBuild(buildVersion(), built().Commit)
	geo, err := openGeocoding(s, rdb, log, metrics)
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	work, err := openJobs(s.Config, rdb, geo.room, log)
	if err != nil {
		return nil, errors.Join(err, rdb.Close())
	}
	a := &app{cfg: s, log: log, redis: rdb, geocoding: geo, jobs: work, metrics: metrics, tracer: newTracer(s, log)}
	a.router = openRouter(s, rdb, geo, log, metrics.ObserveRouter)
	a.watch = schema.NewWatch(rdb, sharedSettings(s), log, migrations...)
	a.engine = dispatch.New(rdb, dispatch.Config{
		Log:          log,
		Timeout:      s.DispatchTimeout,
		Interval:     s.DispatchInterval,
		RadiiM:       s.DispatchRadii.Metres(),
		OfferTTL:     s.DispatchOfferTTL,
		Regions:      s.regions(),
		RegionAt:     s.regionAt(),
		MaxDrivers:   s.DispatchMaxDrivers,
		MaxPerRider:  s.DispatchMaxPerRider,
		MaxRides:     s.DispatchMaxRides,
		Retention:    s.DispatchRetention,
		RideTTL:      s.DispatchRideTTL,
		Lead:         s.DispatchLead,
		LostAfter:    s.DispatchLostAfter,
		DriverTTL:    s.DriverTTL,
		Emit:         a.emit,
		Times:        timesOf(a.router),
		Tracer:       a.tracer,
		RedisTimeout: rdb.Budget(),
	})
	a.events = event.New(rdb, event.Config{Log: log})
	a.guard = webhook.NewGuard(webhook.GuardConfig{Open: s.WebhookAllow})
	hooks := webhook.Config{
		Retries:   webhook.Schedule(s.WebhookRetries),
		UserAgent: userAgent(),
		Log:       log,
		Observe:   metrics.ObserveDelivery,
		Tracer:    a.tracer,
	}
	a.sender = webhook.NewSender(rdb, a.events, a.guard, hooks)
	events := gateway.Events{Log: a.events, Subscribers: webhook.NewRegistry(rdb, a.guard, hooks)}
	a.mapStyle = openMapStyle(s, log)
	who := openIdentity(s, rdb, log)
	a.identity = who
	a.gateway = gateway.New(geo.geocoder, a.engine, events, rdb.Answers, gateway.Config{
		Log:            log,
		Version:        buildVersion(),
		RateLimit:      gateway.RateLimit{Requests: s.RateLimit.Requests, Per: s.RateLimit.Per},
		RateExempt:     s.RateLimitExempt,
		TrustedProxies: s.TrustedProxies.Hops,
		ProxyNetworks:  s.TrustedProxyCIDRs,
		Identity:       who.gateway(s),
		TryingOut:      rdb.BuiltIn(),
		MaxConnections: s.MaxConnections,
		ConnsEach:      s.ConnectionsEach,
		MaxStreams:     s.MaxStreams,
		StreamsEach:    s.StreamsEach,
		CORSOrigins:    s.CORSOrigins,
		Metrics:        metrics,
		ReverseCells:   geo.cells,
		Jobs:           work.master,
		Tracer:         a.tracer,
		Fleet:          a.fleet,
		Places:         places,
		MapStyle:       a.mapStyle,
		MapTiles:       s.tiles,
		FastLane:       bool(s.FastLane),
		Router:         a.router,
		Regions:        s.places,

		Disagreements: a.watch.Disagreements,
		RedisMemory:   geo.room.State,
	})
	if s.NATSURL != "" {
		a.bus = natsbus.New(string(s.NATSURL), a.events, natsbus.Services{
			Geocode: a.answer("/api"),
			Nearby:  a.answer("/search"),
		}, natsbus.Config{Log: log})
		metrics.ObserveBus(func() (connected bool, published, answered int64) {
			stats := a.bus.Stats()
			return stats.Connected, stats.Published, stats.Answered
		})
	}
	return a, nil
}

// serve runs every part until ctx ends; a signal from reloads has it read its
// files again. The order of the end matters: HTTP
// drains while everything it needs still runs, then the engine and the cache
// give back what they hold, and Redis goes last.
func (a *app) serve(ctx context.Context, l net.Listener, reloads <-chan os.Signal) error {
	a.fleet.ListensOn(l.Addr().String())
	if err := a.fleet.Open(); err != nil {
		return errors.Join(err, l.Close(), a.redis.Close())
	}
	stopClock := background(ctx, a.redis.RunClock)
	stopTracing := tracing(ctx, a.tracer)
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	stopSupport := background(ctx,
		watching(a.watch, refuse),
		onceChecked(a.watch, a.engine.Run), onceChecked(a.watch, a.events.Run), onceChecked(a.watch, a.sender.Run),
		onceChecked(a.watch, a.jobs.master.Run),
		a.identity.authority.Run, a.identity.ledger.Run, a.cache.Run, a.room.Run, a.runBus, a.jobs.bell.Run, a.files.reloading(reloads), a.fleet.Run, a.runMapStyle, a.followCache)
	var work errgroup.Group
	if a.cfg.Workers > 0 {
		worker := a.jobs.worker(a.geocoding, a.cfg.Workers, a.tracer)
		work.Go(func() error { return onceChecked(a.watch, worker.Run)(turns.As(ctx, "bulk jobs")) }) // gives its chunks back while HTTP drains
	}

	a.fleet.Join(ctx)
	err := a.gateway.Serve(ctx, l)
	err = errors.Join(err, stopSupport(), work.Wait())
	a.guard.Close()
	a.router.Close()
	err = errors.Join(err, stopTracing(), stopClock(), a.redis.Close())
	a.log.Info().Msg("stopped")
	return err
}

// followCache has the garbage collector aim at what the cache takes.
func (a *app) followCache(ctx context.Context) error {
	a.memory.Follow(ctx, func() int64 { return int64(min(a.cache.Stats().MemoryBytes, math.MaxInt64)) })
	return nil
}

// runBus runs the bus, if there is one. Nothing else needs it: geogate goes on
// without a bus that has failed.
func (a *app) runBus(ctx context.Context) error {
	if a.bus == nil {
		return nil
	}
	if err := a.bus.Run(ctx); err != nil {
		a.log.Error().Err(err).Msg("bus given up")
	}
	return nil
}

// openMapStyle is nil where the map of the console looks as it is built in.
func openMapStyle(s settings, log zerolog.Logger) *basemap.Styles {
	if s.MapStyleURL == "" {
		return nil
	}
	return basemap.NewStyles(string(s.MapStyleURL), userAgent(), log)
}

func (a *app) runMapStyle(ctx context.Context) error {
	if a.mapStyle == nil {
		return nil
	}
	return a.mapStyle.Run(ctx) //nolint:wrapcheck // nil
}

// background starts parts that must outlive ctx: whatever drains when ctx ends
// still needs them. stop ends them, waits, and returns the first error of any
// part.
func background(ctx context.Context, parts ...func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running errgroup.Group
	for _, run := range parts {
		running.Go(func() error { return run(ctx) })
	}
	return func() error {
		cancel()
		return running.Wait()
	}
}

// identities are the parts that know who calls.
type identities struct {
	keys      *identity.Keys
	authority *identity.Authority
	ledger    *identity.Ledger
}

func openIdentity(s settings, rdb *redisclient.Client, log zerolog.Logger) *identities {
	keys := identity.NewKeys(rdb, log)
	return &identities{
		keys: keys,
		authority: identity.New(keys, identity.Config{
			AdminToken: string(s.AdminToken), Minter: s.minter, Log: log,
			Provider: identity.ProviderConfig{
				Issuer: s.AuthIssuer, Audience: s.AuthAudience, KeySetURL: s.AuthJWKSURL,
				RolesClaim: s.AuthRolesClaim, SubjectClaim: s.AuthSubjectClaim,
			},
		}),
		ledger: identity.NewLedger(rdb, log),
	}
}

// gateway is what the gateway needs of them.
func (i *identities) gateway(s settings) gateway.Identity {
	return gateway.Identity{
		Authority: i.authority, Anonymous: s.anonymous, Ledger: i.ledger,
		Credentials: gateway.Credentials{Keys: i.keys, Minter: s.minter},
		HasAdmin:    s.AdminToken != "",
		BusKey:      string(s.NATSKey),
	}
}

// openRouter returns the router of the environment, whose cells are kept in the
// cache of geo. It sends nothing.
func openRouter(s settings, rdb *redisclient.Client, geo *geocoding, log zerolog.Logger, observe func(routing.Call)) *routing.Router {
	return routing.New(s.routers, routing.Config{
		Version:  buildVersion(),
		Contact:  s.UpstreamContact,
		Wait:     s.UpstreamWait,
		Redis:    rdb,
		Cache:    gateway.RoadCells(geo.cache),
		May:      geo.mayAsk,
		Estimate: routing.Estimate{Detour: s.ETADetour, KMH: s.ETASpeed},
		Observe:  observe,
		Log:      log,
	})
}

// timesOf is how dispatch learns of the times of a router: nil, so that matching is as
// it was, where there is no engine to ask. An estimate orders as the straight line does,
// so nothing is lost by it.
func timesOf(router *routing.Router) dispatch.TimesFunc {
	if router.Estimates() {
		return nil
	}
	return func(ctx context.Context, from []geo.Point, to geo.Point) ([]float64, error) {
		table, err := router.Table(ctx, from, []geo.Point{to})
		if err != nil {
			return nil, err //nolint:wrapcheck // dispatch goes on without
		}
		times := make([]float64, len(from))
		for i, row := range table.Cells {
			if times[i] = row[0].Seconds; row[0].Unreachable {
				times[i] = math.Inf(1)
			}
		}
		return times, nil
	}
}

// newTracer returns the tracer of the environment, nil where nobody wants spans. It sends
// nothing.
func newTracer(s settings, log zerolog.Logger) *trace.Tracer {
	if s.spans == nil {
		return nil
	}
	return trace.New(trace.Config{
		URL: s.spans.String(), Header: s.spanHeaders, Sampler: s.sampler, Every: s.OTelDelay.Duration(),
		Service: s.OTelService, Version: buildVersion(), Instance: strings.ToLower(rand.Text()), Log: log,
	})
}

// tracing sends spans until stop is called, which is to be after whatever makes them. A
// nil tracer has nothing to send.
func tracing(ctx context.Context, tracer *trace.Tracer) (stop func() error) {
	if tracer == nil {
		return func() error { return nil }
	}
	return background(ctx, tracer.Run)
}

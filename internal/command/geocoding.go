package command

import (
	"context"
	"errors"
	"fmt"
	"geogate/cache"
	"geogate/gateway"
	"geogate/internal/bulk"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/fleet"
	"geogate/internal/gazetteer"
	"geogate/internal/gossip"
	"geogate/internal/headroom"
	"geogate/internal/streets"
	"geogate/upstream"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// geocoding is what turns questions into places, whoever asks: HTTP requests,
// the rows of jobs, or the command line.
type geocoding struct {
	chain    *upstream.Chain
	cache    *cache.Cache
	geocoder *gateway.Geocoder
	cells    []gateway.Cell
	room     *headroom.Watch // of Redis, for what is optional
	files    *files
	fleet    *fleet.Fleet // whose mode decides whether upstreams may be asked
}

// purgesState is what gossip calls the purges of the cache. Another form of them needs
// another name.
const purgesState = "purges"

// mayAsk returns an error while no upstream may be asked.
func (g *geocoding) mayAsk() error { return g.fleet.Mode().AllowsUpstream() }

// openGeocoding builds the way to the geocoders. It sends nothing.
func openGeocoding(s settings, rdb *redisclient.Client, log zerolog.Logger, metrics *gateway.Metrics) (*geocoding, error) {
	g := &geocoding{files: &files{log: log}, fleet: fleet.New(rdb, buildVersion(), log)}
	var err error
	if g.chain, err = openUpstreams(s, rdb, g, log, metrics.ObserveUpstream); err != nil {
		return nil, err
	}
	rdb.Reserve(int64(s.CacheMemory))
	g.room = headroom.New(rdb.Memory, headroom.Config{Log: log})
	settings := cache.Config{
		Log: log, Memory: int64(s.CacheMemory), RedisBudget: rdb.Budget(), ObserveRedis: metrics.ObserveRedis,
		MayStore: g.room.Allows,
	}
	gossips := s.FleetBind.IsValid()
	if gossips {
		settings.Spread = func(change []byte) { g.fleet.Spread(purgesState, change) }
	}
	g.cache = cache.New(rdb, settings)
	if gossips {
		g.fleet.Gossip(gossip.Config{Bind: s.FleetBind.AddrPort, Join: s.FleetJoin, Key: s.GossipKey(), Log: log},
			gossip.State{Name: purgesState, Whole: g.cache.Purges, Merge: g.cache.MergePurges})
	}
	for _, c := range s.ReverseCells {
		g.cells = append(g.cells, gateway.Cell(c))
	}
	g.geocoder = gateway.NewGeocoder(g.chain, g.cache, gateway.Lifetimes{
		Fresh: s.CacheTTL,
		Empty: s.CacheEmptyTTL,
		Stale: s.CacheStaleTTL,
	})
	return g, nil
}

// withGeocoding runs do with the geocoding that the environment asks for, and ends it.
func withGeocoding(ctx context.Context, p *Process, do func(context.Context, *geocoding) error) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	s.FleetBind = config.FleetBind{} // a command of a moment is no member
	log := newLogger(s.Config, p.Stderr)
	rdb := redisclient.OpenPatient(s.redis)
	geo, err := openGeocoding(s, rdb, log, gateway.NewMetrics())
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	geo.fleet.Join(ctx)
	stop := background(ctx, geo.cache.Run, geo.room.Run, rdb.RunClock)
	err = do(ctx, geo)
	return errors.Join(err, stop(), rdb.Close())
}

// rows is how the rows of bulk jobs are asked, and what their failures mean.
func (g *geocoding) rows() bulk.Local {
	return bulk.Local{Plan: gateway.RowPlan(g.geocoder, g.cells), Judge: gateway.RowTrouble}
}

// openUpstreams returns the geocoders in their order. It sends nothing.
func openUpstreams(s settings, rdb redis.UniversalClient, g *geocoding, log zerolog.Logger, observe func(upstream.Call)) (*upstream.Chain, error) {
	places, err := gazetteer.Load()
	if err != nil {
		return nil, fmt.Errorf("open upstreams: %w", err)
	}
	chain, err := upstream.New(s.upstreams, upstream.Config{
		Log:       log,
		Contact:   s.UpstreamContact,
		Version:   buildVersion(),
		Wait:      s.UpstreamWait,
		Redis:     rdb,
		May:       g.mayAsk,
		Observe:   observe,
		Gazetteer: upstream.NewGazetteer(places, buildVersion()),
		Files:     g.files.open,
	})
	if err != nil {
		return nil, fmt.Errorf("open upstreams: %w", err)
	}
	return chain, nil
}

// files are the streets files that upstreams read.
type files struct {
	log       zerolog.Logger
	libraries []*streets.Library
}

// open is the upstream of a spec that names files. They stay open until the
// process ends.
func (f *files) open(s upstream.Spec) (upstream.Provider, error) {
	library, err := streets.OpenLibrary(s.Files...)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it did
	}
	library.Changed = func(path string, date time.Time, err error) {
		if err != nil {
			f.log.Error().Err(err).Str("upstream", s.Name).Str("file", path).Time("old", date).Msg("new streets file cannot be read")
			return
		}
		f.log.Info().Str("upstream", s.Name).Str("file", path).Time("data", date).Msg("streets file replaced")
	}
	f.libraries = append(f.libraries, library)
	return upstream.NewStreets(library, s.Name, buildVersion()), nil
}

// reloading looks for new files whenever a signal says so, until its context
// ends. Nobody needs to send one: files are looked at every second in which
// somebody asks.
func (f *files) reloading(signals <-chan os.Signal) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-signals:
				f.log.Info().Msg("told to read files again")
				for _, library := range f.libraries {
					library.Reload()
				}
			}
		}
	}
}

package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/cache"
	"geogate/gateway"
	"geogate/internal/bulk"
	"geogate/internal/command/redisclient"
	"geogate/internal/gazetteer"
	"geogate/internal/headroom"
	"geogate/upstream"
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
}

// openGeocoding builds the way to the geocoders. It sends nothing.
func openGeocoding(s settings, rdb *redisclient.Client, log zerolog.Logger, metrics *gateway.Metrics) (*geocoding, error) {
	read := &files{log: log}
	chain, err := openUpstreams(s, rdb, read, log, metrics.ObserveUpstream)
	if err != nil {
		return nil, err
	}
	rdb.Reserve(int64(s.CacheMemory))
	room := headroom.New(rdb.Memory, headroom.Config{Log: log})
	store := cache.New(rdb, cache.Config{
		Log: log, Memory: int64(s.CacheMemory), RedisBudget: rdb.Budget(), ObserveRedis: metrics.ObserveRedis,
		MayStore: room.Allows,
	})
	var cells []gateway.Cell
	for _, c := range s.ReverseCells {
		cells = append(cells, gateway.Cell(c))
	}
	return &geocoding{
		chain: chain,
		cache: store,
		geocoder: gateway.NewGeocoder(chain, store, gateway.Lifetimes{
			Fresh: s.CacheTTL,
			Empty: s.CacheEmptyTTL,
			Stale: s.CacheStaleTTL,
		}),
		cells: cells,
		room:  room,
		files: read,
	}, nil
}

// withGeocoding runs do with the geocoding that the environment asks for, and ends it.
func withGeocoding(ctx context.Context, p *Process, do func(context.Context, *geocoding) error) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	log := newLogger(s.Config, p.Stderr)
	rdb := redisclient.OpenPatient(s.redis)
	geo, err := openGeocoding(s, rdb, log, gateway.NewMetrics())
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	stop := background(ctx, geo.cache.Run, geo.room.Run, rdb.RunClock)
	err = do(ctx, geo)
	return errors.Join(err, stop(), rdb.Close())
}

// rows is how the rows of bulk jobs are asked, and what their failures mean.
func (g *geocoding) rows() bulk.Local {
	return bulk.Local{Plan: gateway.RowPlan(g.geocoder, g.cells), Judge: gateway.RowTrouble}
}

// openUpstreams returns the geocoders in their order. It sends nothing.
func openUpstreams(s settings, rdb redis.UniversalClient, read *files, log zerolog.Logger, observe func(upstream.Call)) (*upstream.Chain, error) {
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
		Observe:   observe,
		Gazetteer: upstream.NewGazetteer(places, buildVersion()),
		Files:     read.open,
	})
	if err != nil {
		return nil, fmt.Errorf("open upstreams: %w", err)
	}
	return chain, nil
}

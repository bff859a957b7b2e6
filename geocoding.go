package main

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/cache"
	"geogate/gateway"
	"geogate/internal/gazetteer"
	"geogate/upstream"
)

// geocoding is what turns questions into places, whoever asks: HTTP requests,
// the rows of jobs, or the command line.
type geocoding struct {
	chain    *upstream.Chain
	cache    *cache.Cache
	geocoder *gateway.Geocoder
	cells    []gateway.Cell
}

// openGeocoding builds the way to the geocoders. It sends nothing.
func openGeocoding(cfg Config, rdb *redisServer, log zerolog.Logger, metrics *gateway.Metrics) (*geocoding, error) {
	chain, err := openUpstreams(cfg, rdb, log, metrics.ObserveUpstream)
	if err != nil {
		return nil, err
	}
	store := cache.New(rdb, cache.Config{
		Log: log, Memory: int64(cfg.CacheMemory), RedisBudget: rdb.budget(), ObserveRedis: metrics.ObserveRedis,
	})
	return &geocoding{
		chain: chain,
		cache: store,
		geocoder: gateway.NewGeocoder(chain, store, gateway.Lifetimes{
			Fresh: time.Duration(cfg.CacheTTL),
			Empty: time.Duration(cfg.CacheEmptyTTL),
			Stale: time.Duration(cfg.CacheStaleTTL),
		}),
		cells: cfg.ReverseCells,
	}, nil
}

// openUpstreams returns the geocoders in their order. It sends nothing.
func openUpstreams(cfg Config, rdb redis.UniversalClient, log zerolog.Logger, observe func(upstream.Call)) (*upstream.Chain, error) {
	places, err := gazetteer.Load()
	if err != nil {
		return nil, fmt.Errorf("open upstreams: %w", err)
	}
	chain, err := upstream.New(cfg.Upstreams, upstream.Config{
		Log:       log,
		Contact:   cfg.UpstreamContact,
		Version:   buildVersion(),
		Wait:      time.Duration(cfg.UpstreamWait),
		Redis:     rdb,
		Observe:   observe,
		Gazetteer: upstream.NewGazetteer(places, buildVersion()),
	})
	if err != nil {
		return nil, fmt.Errorf("open upstreams: %w", err)
	}
	return chain, nil
}

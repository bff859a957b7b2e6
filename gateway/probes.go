package gateway

import (
	"context"
	"net/http"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/headroom"
)

// pingTimeout bounds what readiness may cost: orchestrators give a probe one
// second by default.
const pingTimeout = 500 * time.Millisecond

// healthz says that the process runs and serves HTTP, and nothing else: a
// restart would mend nothing outside of it.
func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) error {
	return exchange.Respond(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

type readiness struct {
	Status    string           `json:"status"` // ready, degraded, starting (catching up included), draining
	Redis     string           `json:"redis"`  // up, down
	Upstreams []upstreamHealth `json:"upstreams"`
	// Routers is absent where there are none.
	Routers []upstreamHealth `json:"routers,omitempty"`
	// RedisMemory is absent until it has been measured.
	RedisMemory *redisMemory `json:"redis_memory,omitempty"`
	// Disagreements are settings that the processes on one Redis should share
	// and do not.
	Disagreements []string `json:"disagreements,omitempty"`
}

// redisMemory is how full Redis is, in bytes. A full Redis is no reason to send
// nobody here: hits, misses and rides go on.
type redisMemory struct {
	Used           int64  `json:"used"`
	Limit          int64  `json:"limit"`           // 0: none
	OptionalWrites string `json:"optional_writes"` // on, paused: those of cache and jobs
}

func redisMemoryOf(s headroom.State) *redisMemory {
	if !s.Known {
		return nil
	}
	m := &redisMemory{Used: s.Used, Limit: s.Limit, OptionalWrites: "on"}
	if s.Paused {
		m.OptionalWrites = "paused"
	}
	return m
}

type upstreamHealth struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	State string `json:"state"`
}

// readyz is 200 while the process can serve at all; what is degraded is in the
// body. Geocoding goes on without Redis, so a dead Redis is no reason for a
// load balancer to take the process away.
func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) error {
	answer := readiness{Status: "ready", Redis: "up"}
	ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
	defer cancel()
	if g.ping(ctx) != nil {
		answer.Status, answer.Redis = "degraded", "down"
	}
	for _, s := range g.geocoder.Chain().States() {
		answer.Upstreams = append(answer.Upstreams, upstreamHealth{s.Name, s.Kind, s.State})
		if s.State != "up" {
			answer.Status = "degraded"
		}
	}
	for _, s := range g.routing.States() {
		answer.Routers = append(answer.Routers, upstreamHealth{s.Name, s.Kind, s.State})
		if s.State != "up" {
			answer.Status = "degraded"
		}
	}
	if g.redisMemory != nil {
		answer.RedisMemory = redisMemoryOf(g.redisMemory())
		if answer.RedisMemory != nil && answer.RedisMemory.OptionalWrites == "paused" {
			answer.Status = "degraded"
		}
	}
	if g.disagreements != nil {
		answer.Disagreements = g.disagreements()
	}
	if g.ready.Load() && g.fleet.Current() {
		return exchange.Respond(w, http.StatusOK, answer)
	}
	answer.Status = "starting"
	if g.draining.Err() != nil {
		answer.Status = "draining"
	}
	exchange.SetRetryAfter(w.Header(), time.Second)
	return exchange.Respond(w, http.StatusServiceUnavailable, answer)
}

func (g *Gateway) getVersion(w http.ResponseWriter, _ *http.Request) error {
	return exchange.Respond(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{g.version})
}

// getMetrics answers Prometheus.
func (g *Gateway) getMetrics(w http.ResponseWriter, r *http.Request) error {
	g.metrics.Handler().ServeHTTP(w, r)
	return nil
}

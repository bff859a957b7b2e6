package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// pingTimeout bounds what readiness may cost: orchestrators give a probe one
// second by default.
const pingTimeout = 500 * time.Millisecond

// healthz says that the process runs and serves HTTP, and nothing else: a
// restart would not mend anything outside it.
func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) error {
	return g.respond(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

type readiness struct {
	Status    string           `json:"status"` // ready, degraded, starting, draining
	Redis     string           `json:"redis"`  // up, down
	Upstreams []upstreamHealth `json:"upstreams"`
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
	for _, s := range g.geocoder.chain.States() {
		answer.Upstreams = append(answer.Upstreams, upstreamHealth{s.Name, s.Kind, s.State})
		if s.State != "up" {
			answer.Status = "degraded"
		}
	}
	if g.ready.Load() {
		return g.respond(w, http.StatusOK, answer)
	}
	answer.Status = "starting"
	if g.draining.Err() != nil {
		answer.Status = "draining"
	}
	setRetryAfter(w.Header(), time.Second)
	return g.respond(w, http.StatusServiceUnavailable, answer)
}

func (g *Gateway) getVersion(w http.ResponseWriter, _ *http.Request) error {
	return g.respond(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{g.version})
}

// requireAdmin lets requests pass that carry ADMIN_TOKEN as a bearer token. It
// is never read from the query, which proxies log.
func (g *Gateway) requireAdmin(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(g.adminToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.adminToken == "" {
			g.refuse(w, r, newProblem(http.StatusForbidden, "admin_closed", "this endpoint is closed").
				withHint("set ADMIN_TOKEN and send it as Authorization: Bearer …"))
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(token)) // equal lengths, so that the comparison takes constant time
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			g.refuse(w, r, newProblem(http.StatusUnauthorized, "unauthorized", "this endpoint needs the admin token").
				withHint("send Authorization: Bearer and the value of ADMIN_TOKEN"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

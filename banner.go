package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// bannerTimeout bounds how long the banner waits for Redis to tell its version:
// the port must answer soon, Redis or no Redis.
const bannerTimeout = 500 * time.Millisecond

// writeBanner says what started: where it listens, what it uses, what is open
// or closed, and what an operator would set next.
func writeBanner(ctx context.Context, w io.Writer, a *app, addr net.Addr) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(tab, "  %s\t%s\n", name, value) }
	fmt.Fprintf(tab, "geogate %s\n", buildVersion())
	base := "http://localhost:" + port(addr)
	line("listens on", base)
	line("redis", a.redis.describe(ctx))
	line("upstreams", describeUpstreams(a.cfg.Upstreams))
	line("rate limit", describeRate(a.cfg.RateLimit))
	line("admin", openIf(a.cfg.AdminToken != "", "/metrics open to ADMIN_TOKEN", "closed (no ADMIN_TOKEN)"))
	line("events", openIf(a.cfg.AdminToken != "", "/events open to ADMIN_TOKEN", "/events open to this machine only (no ADMIN_TOKEN)"))
	if len(a.cfg.WebhookAllow) > 0 {
		line("webhooks", "may go to "+a.cfg.WebhookAllow.String()+", without TLS too (WEBHOOK_ALLOW_CIDRS)")
	}
	if a.cfg.NATSURL != "" {
		line("bus", "NATS at "+a.cfg.NATSURL.hosts())
	}
	line("proxies", fmt.Sprintf("%d trusted to set X-Forwarded-For", a.cfg.TrustedProxies.hops))
	line("dispatch", openIf(len(a.cfg.CORSOrigins) > 0, "pages of "+strings.Join(a.cfg.CORSOrigins, ", "), "closed to web pages (no CORS_ORIGINS), open to everything else"))
	for _, step := range nextSteps(a.cfg) {
		line("next", step)
	}
	line("try", "curl '"+base+"/api?q=san+francisco'")
	_ = tab.Flush()
	if a.cfg.RedisTLSSkipVerify {
		a.log.Warn().Msg("the certificate of redis is not checked")
	}
}

// nextSteps are what to set before other people rely on this instance.
func nextSteps(cfg Config) []string {
	var steps []string
	if cfg.RedisURL == "" {
		steps = append(steps, "set REDIS_URL, so that rides and answers outlive a restart")
	}
	if len(cfg.Upstreams) == 1 && cfg.Upstreams[0].Kind == "gazetteer" {
		steps = append(steps, "set UPSTREAMS for streets and house numbers: the gazetteer knows towns")
	}
	if cfg.AdminToken == "" {
		steps = append(steps, "set ADMIN_TOKEN, to see /metrics")
	}
	return steps
}

func (r *redisServer) describe(ctx context.Context) string {
	if r.builtIn != nil {
		return r.label
	}
	ctx, cancel := context.WithTimeout(ctx, bannerTimeout)
	defer cancel()
	v, err := r.version(ctx)
	if err != nil {
		return r.label + " (does not answer yet)"
	}
	return fmt.Sprintf("%s (version %s)", r.label, v)
}

func describeUpstreams(list specs) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.String()
	}
	return strings.Join(names, ", then ")
}

func describeRate(r rate) string {
	if r.requests == 0 {
		return "none"
	}
	return fmt.Sprintf("%d requests in %s for each client", r.requests, r.per)
}

func openIf(open bool, yes, no string) string {
	if open {
		return yes
	}
	return no
}

func port(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	return addr.String()
}

package command

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"geogate/internal/command/redisclient"
	"geogate/internal/config"
)

// bannerTimeout bounds how long the banner waits for the version of Redis: the
// port must answer soon, with or without Redis.
const bannerTimeout = 500 * time.Millisecond

// writeBanner says what started: where it listens, what it uses, what is open
// or closed, and what an operator would set next.
func writeBanner(ctx context.Context, w io.Writer, a *app, addr net.Addr) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(tab, "  %s\t%s\n", name, value) }
	fmt.Fprintf(tab, "geogate %s\n", buildVersion())
	base := "http://localhost:" + port(addr)
	line("listens on", base)
	line("redis", describeRedis(ctx, a.redis))
	line("upstreams", joined(a.cfg.upstreams, ", then "))
	line("rate limit", describeRate(a.cfg.RateLimit))
	line("admin", describeAdmin(a))
	if len(a.cfg.WebhookAllow) > 0 {
		line("webhooks", "may go to "+joined(a.cfg.WebhookAllow, ", ")+", without TLS too (WEBHOOK_ALLOW_CIDRS)")
	}
	if a.cfg.NATSURL != "" {
		line("bus", "NATS at "+strings.Join(a.cfg.NATSURL.Hosts(), ", "))
	}
	line("proxies", fmt.Sprintf("%d trusted to set X-Forwarded-For", a.cfg.TrustedProxies.Hops))
	line("dispatch", openIf(len(a.cfg.CORSOrigins) > 0, "pages of "+strings.Join(a.cfg.CORSOrigins, ", "), "closed to web pages (no CORS_ORIGINS), open to everything else"))
	for _, step := range nextSteps(a.cfg) {
		line("next", step)
	}
	line("try", "curl '"+base+"/api?q=san+francisco'")
	_ = tab.Flush()
	if a.cfg.RedisTLSSkipVerify {
		a.log.Warn().Msg("redis certificate is not checked")
	}
}

// describeAdmin says who may use what ADMIN_TOKEN opens.
func describeAdmin(a *app) string {
	const what = "/admin, /metrics and /events "
	switch {
	case a.cfg.AdminToken != "":
		return what + "open to ADMIN_TOKEN"
	case a.redis.BuiltIn():
		return what + "open to programs on this machine only (built-in Redis, no ADMIN_TOKEN)"
	}
	return what + "closed (no ADMIN_TOKEN)"
}

// nextSteps are what to set before other people rely on this instance.
func nextSteps(s settings) []string {
	var steps []string
	if s.redis == nil {
		steps = append(steps, "set REDIS_URL, so that rides and answers survive a restart")
	}
	if len(s.upstreams) == 1 && s.upstreams[0].Kind == "gazetteer" {
		steps = append(steps, "set UPSTREAMS for streets and house numbers: the gazetteer knows towns")
	}
	if s.AdminToken == "" {
		steps = append(steps, "set ADMIN_TOKEN to use /admin, /metrics and /events from elsewhere")
	}
	return steps
}

func describeRedis(ctx context.Context, r *redisclient.Client) string {
	if r.BuiltIn() {
		return r.Label()
	}
	ctx, cancel := context.WithTimeout(ctx, bannerTimeout)
	defer cancel()
	v, err := r.Version(ctx)
	if err != nil {
		return r.Label() + " (does not answer yet)"
	}
	return fmt.Sprintf("%s (version %s)", r.Label(), v)
}

func joined[T fmt.Stringer](list []T, separator string) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.String()
	}
	return strings.Join(names, separator)
}

func describeRate(r config.Rate) string {
	if r.Requests == 0 {
		return "none"
	}
	return fmt.Sprintf("%d requests per client in %s", r.Requests, r.Per)
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

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

	"github.com/rs/zerolog"

	"geogate/internal/command/doctor"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/identity"
	"geogate/internal/rate"
)

// bannerTimeout bounds how long the banner waits for the version of Redis: the
// port must answer soon, with or without Redis.
const bannerTimeout = 500 * time.Millisecond

// A bannerLine is one thing that the banner says.
type bannerLine struct{ name, value string }

// writeBanner says what started: where it listens, what it uses, what is open
// or closed, and what an operator would set next. Where the log is JSON, so is the
// banner: one line of it.
func writeBanner(ctx context.Context, p *Process, a *app, addr net.Addr) {
	lines := bannerLines(ctx, a, addr)
	steps := nextSteps(a.cfg)
	unknown := config.Unknown(p.Environ())
	if logsText(a.cfg.Config, p.Stderr) {
		for _, note := range unknown {
			lines = append(lines, bannerLine{"unknown", note})
		}
		for _, step := range steps {
			lines = append(lines, bannerLine{"next", step})
		}
		lines = append(lines, bannerLine{"try", tryOut(addr)})
		writeBannerText(p.Stderr, lines)
	} else {
		logBanner(a.log, lines, unknown, steps)
	}
	if a.cfg.RedisTLSSkipVerify {
		a.log.Warn().Msg("redis certificate is not checked")
	}
}

func bannerLines(ctx context.Context, a *app, addr net.Addr) []bannerLine {
	lines := []bannerLine{
		{"listens on", listensOn(addr)},
		{"redis", describeRedis(ctx, a.redis)},
		{"upstreams", joined(a.cfg.upstreams, ", then ")},
		{"rate limit", describeRate(a.cfg.RateLimit)},
		{"anybody", anonymousMay(a.cfg)},
		{"credentials", credentialsOf(a.cfg)},
		{"admin", describeAdmin(a)},
	}
	if trusted(a.cfg) {
		lines = append(lines, bannerLine{"this machine", "programs on it may do everything (built-in Redis, no ADMIN_TOKEN)"})
	}
	if len(a.cfg.WebhookAllow) > 0 {
		lines = append(lines, bannerLine{"webhooks", "may go to " + joined(a.cfg.WebhookAllow, ", ") + ", without TLS too (WEBHOOK_ALLOW_CIDRS)"})
	}
	if a.cfg.NATSURL != "" {
		lines = append(lines, bannerLine{"bus", "NATS at " + strings.Join(a.cfg.NATSURL.Hosts(), ", ")})
	}
	if a.cfg.FleetBind.IsValid() {
		lines = append(lines, bannerLine{"gossip", describeGossip(a.cfg.Config)})
	}
	return append(lines,
		bannerLine{"proxies", describeProxies(a.cfg.Config)},
		bannerLine{"web pages", openIf(len(a.cfg.CORSOrigins) > 0, "those of "+strings.Join(a.cfg.CORSOrigins, ", ")+" may use everything, others may geocode", "may geocode, and nothing else (no CORS_ORIGINS)")})
}

// describeGossip tells where, with whom, and whether others can read it.
func describeGossip(cfg config.Config) string {
	text := "at " + cfg.FleetBind.String()
	if len(cfg.FleetJoin) > 0 {
		text += " with " + strings.Join(cfg.FleetJoin, ", ")
	}
	return text + openIf(cfg.FleetKey != "", ", encrypted", ", not encrypted (no FLEET_KEY)")
}

func writeBannerText(w io.Writer, lines []bannerLine) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tab, "geogate %s\n", buildVersion())
	for _, l := range lines {
		fmt.Fprintf(tab, "  %s\t%s\n", l.name, l.value)
	}
	_ = tab.Flush()
}

func logBanner(log zerolog.Logger, lines []bannerLine, unknown, steps []string) {
	line := log.Info()
	if len(unknown) > 0 {
		line = log.Warn()
	}
	line.Str("version", buildVersion()).Str("commit", built().Commit)
	for _, l := range lines {
		line.Str(strings.ReplaceAll(l.name, " ", "_"), l.value)
	}
	if len(unknown) > 0 {
		line.Strs("unknown", unknown)
	}
	if len(steps) > 0 {
		line.Strs("next", steps)
	}
	line.Msg("started")
}

// listensOn names an address as people use it.
func listensOn(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	switch {
	case !ok:
		return "unix:" + addr.String()
	case tcp.IP.IsUnspecified():
		return "http://localhost:" + strconv.Itoa(tcp.Port)
	}
	return "http://" + tcp.String()
}

func tryOut(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "curl --unix-socket " + addr.String() + " 'http://localhost/api?q=san+francisco'"
	}
	return "curl '" + listensOn(addr) + "/api?q=san+francisco'"
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
	return what + "open to keys with the roles for them (no ADMIN_TOKEN)"
}

func describeProxies(cfg config.Config) string {
	if len(cfg.TrustedProxyCIDRs) > 0 {
		return joined(cfg.TrustedProxyCIDRs, ", ") + " trusted to set X-Forwarded-For"
	}
	return fmt.Sprintf("%d trusted to set X-Forwarded-For", cfg.TrustedProxies.Hops)
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

func describeRate(r rate.Rate) string {
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

// anonymousMay says what callers without a credential may do.
func anonymousMay(s settings) string {
	if s.anonymous == 0 {
		return "may do nothing without a credential (ANONYMOUS)"
	}
	return "may do " + strings.ReplaceAll(s.anonymous.String(), " ", ", ") + " without a credential (ANONYMOUS)"
}

// trusted reports whether programs on this machine may do everything.
func trusted(s settings) bool { return s.redis == nil && s.AdminToken == "" }

// credentialsOf lists the kinds of credential that are taken.
func credentialsOf(s settings) string {
	kinds := []string{"keys"}
	if s.AdminToken != "" {
		kinds = append(kinds, "ADMIN_TOKEN")
	}
	if s.AuthIssuer != "" {
		kinds = append(kinds, "tokens of "+s.AuthIssuer)
	}
	if s.TokenSecret != "" {
		kinds = append(kinds, "tokens of POST /admin/tokens")
	}
	return strings.Join(kinds, ", ")
}

// examineAccess says what is open to whom, and warns where that is more than a
// server on the internet should open.
func examineAccess(s settings) []doctor.Finding {
	anybody := doctor.Finding{Check: "anybody", Verdict: doctor.Healthy, Detail: anonymousMay(s)}
	if s.anonymous&(identity.Drive|identity.Dispatch) != 0 {
		anybody.Verdict = doctor.Warned
		anybody.Hint = "whoever reaches this geogate moves any driver: leave drive and dispatch out of ANONYMOUS, unless a backend of yours stands in front"
	}
	findings := []doctor.Finding{anybody, {Check: "credentials", Verdict: doctor.Healthy, Detail: credentialsOf(s)}}
	switch {
	case trusted(s):
		findings = append(findings, doctor.Finding{
			Check: "this machine", Verdict: doctor.Healthy, Detail: "programs on it may do everything (built-in Redis, no ADMIN_TOKEN)",
		})
	case s.AdminToken == "":
		findings = append(findings, doctor.Finding{
			Check: "admin", Verdict: doctor.Healthy, Detail: "open to keys with the role admin",
			Hint: "geogate keys create --role admin --subject me, or set ADMIN_TOKEN",
		})
	}
	return findings
}

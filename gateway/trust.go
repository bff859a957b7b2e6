package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"geogate/gateway/exchange"
)

// localTrust is whether somebody is trying geogate out: the built-in Redis is in
// use and ADMIN_TOKEN is not set. Only then is a program on this machine trusted
// because it is on this machine. Nothing that is deployed trusts an address: a
// proxy connects from this machine on behalf of anybody, and need not say so.
type localTrust bool

// covers reports whether r was sent by a program on this machine, as far as a
// request can show it: not by a proxy, and not by a page of another site in a
// browser on it. Such a page can post without asking (Origin and Sec-Fetch-Site
// tell), and can give its own name our address (Host tells).
func (t localTrust) covers(r *http.Request) bool {
	if !bool(t) || !isDirect(r) || !isLoopbackName(r.Host) {
		return false
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	for _, origin := range r.Header["Origin"] {
		if origin != "http://"+r.Host {
			return false
		}
	}
	return true
}

// rebound reports whether r comes from this machine under a name of somebody
// else's. A browser sends such requests for a page whose name was given our
// address after it was loaded (DNS rebinding). Addresses and names without a dot
// cannot be given away like that.
func (t localTrust) rebound(r *http.Request) bool {
	if !bool(t) || !isDirect(r) || isLoopbackName(r.Host) {
		return false
	}
	host := hostOf(r.Host)
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(strings.TrimSuffix(host, "."), ".")
}

// proxiesOf are the proxies that cfg trusts.
func proxiesOf(cfg Config) exchange.Proxies {
	if len(cfg.ProxyNetworks) > 0 {
		return exchange.TrustNetworks(cfg.ProxyNetworks)
	}
	return exchange.TrustHops(cfg.TrustedProxies)
}

// bypassesEvery is how often the log tells of requests that came past the proxies.
const bypassesEvery = time.Minute

// warnOfBypass tells the operator that others than the proxies reach the port: with
// a made-up X-Forwarded-For, each of their requests counts as somebody else's.
func (g *Gateway) warnOfBypass(r *http.Request, route string) {
	if !g.proxies.Bypassed(r) {
		return
	}
	g.bypasses.Do(func() {
		g.log.Warn().Str("route", route).
			Str("hint", "let only the proxies reach the port (LISTEN), or name them in TRUSTED_PROXY_CIDRS").
			Msg("request came past the trusted proxies")
	})
}

var errForeignHost = exchange.NewProblem(http.StatusForbidden, "foreign_host",
	"requests from this machine must not use the name of another host").WithHint("use localhost, or set ADMIN_TOKEN")

// isDirect reports whether the peer is on this machine and left no trace of being
// a proxy. nginx speaks HTTP/1.0 to what is behind it unless told otherwise, and
// sends no header at all.
func isDirect(r *http.Request) bool {
	if !exchange.Peer(r.RemoteAddr).IsLoopback() || !r.ProtoAtLeast(1, 1) {
		return false
	}
	for name := range r.Header {
		if isForwarding(name) {
			return false
		}
	}
	return true
}

// forwardingHeaders and forwardingPrefixes are what proxies, load balancers and
// content delivery networks add to a request. Their presence is enough, even
// empty: who may say what is a matter of TRUSTED_PROXIES.
var (
	forwardingHeaders = map[string]bool{
		"Forwarded": true, "Via": true, "X-Real-Ip": true, "X-Client-Ip": true, "X-Cluster-Client-Ip": true,
		"True-Client-Ip": true, "Client-Ip": true, "X-Remote-Addr": true, "X-Remote-Ip": true, "X-Host": true,
		"X-Proxyuser-Ip": true, "X-Appengine-User-Ip": true, "X-Azure-Clientip": true, "X-Azure-Socketip": true,
		"X-Original-Host": true, "X-Original-For": true, "X-Original-Proto": true, "X-Original-Uri": true, "X-Original-Url": true,
		"X-Rewrite-Url": true, "X-Scheme": true, "X-Url-Scheme": true, "Front-End-Https": true, "Cdn-Loop": true,
		"X-Request-Start": true, "X-Amzn-Trace-Id": true, "X-Cloud-Trace-Context": true, "X-Arr-Ssl": true, "X-Arr-Log-Id": true,
		"Proxy-Connection": true, "X-Proxy-Id": true, "X-Varnish": true, "X-Haproxy-Server-State": true,
	}
	forwardingPrefixes = []string{"X-Forwarded-", "Cf-", "X-Envoy-", "Fastly-", "Fly-", "X-Vercel-", "X-Nf-", "Cloudfront-", "X-Akamai-", "Akamai-", "X-Sucuri-"}
)

func isForwarding(name string) bool {
	if forwardingHeaders[name] {
		return true
	}
	for _, prefix := range forwardingPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "X-Forwarded"
}

func isLoopbackName(hostport string) bool {
	host := hostOf(hostport)
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostOf is a Host header without its port and brackets.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

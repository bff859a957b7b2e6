package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"geogate/gateway/exchange"
)

// guard puts a check of who calls in front of the handlers that need one today:
// those of administrators, and those that show or spread everybody's rides.
func (g *Gateway) guard(rt route) exchange.Handler {
	var check func(*http.Request) error
	switch {
	case rt.scope == scopeAdmin, rt.scope == scopeEvents && g.adminToken != "":
		check = g.checkAdmin
	case rt.scope == scopeEvents:
		check = checkLocal
	default:
		return rt.handler
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := check(r); err != nil {
			return err
		}
		return rt.handler(w, r)
	}
}

// checkAdmin lets requests pass that carry ADMIN_TOKEN as a bearer token. It is
// never read from the query, which proxies log.
func (g *Gateway) checkAdmin(r *http.Request) error {
	if g.adminToken == "" {
		return exchange.NewProblem(http.StatusForbidden, "admin_closed", "this endpoint is closed").
			WithHint("set ADMIN_TOKEN and send it as Authorization: Bearer …")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(g.adminToken)) // equal lengths, so that the comparison takes constant time
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return exchange.NewProblem(http.StatusUnauthorized, "unauthorized", "this endpoint needs the admin token").
			WithHint("send Authorization: Bearer and the value of ADMIN_TOKEN")
	}
	return nil
}

// checkLocal lets programs on this machine pass, so that trying geogate out needs
// no setup, and nobody else.
func checkLocal(r *http.Request) error {
	if isLocal(r) {
		return nil
	}
	return exchange.NewProblem(http.StatusForbidden, "admin_closed", "without ADMIN_TOKEN this endpoint is open to this machine only").
		WithHint("set ADMIN_TOKEN and send it as Authorization: Bearer …")
}

// forwarded are the headers that give away a proxy. A proxy on this machine
// connects from loopback on behalf of anybody.
var forwarded = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"}

// isLocal reports whether a request was sent by a program on this machine, and
// not by a page of another site in a browser on it: such a page can post
// without asking (Origin, Sec-Fetch-Site tell), and can give its own name our
// address (Host tells).
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range forwarded {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	return isLoopbackName(r.Host)
}

func isLoopbackName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

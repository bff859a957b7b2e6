package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// requireOperator guards what shows or spreads everybody's rides: it needs
// ADMIN_TOKEN where there is one. Without, it is open to programs on this
// machine, so that trying geogate out needs no set-up, and to nobody else.
func (g *Gateway) requireOperator(next http.Handler) http.Handler {
	if g.adminToken != "" {
		return g.requireAdmin(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r) {
			g.refuse(w, r, newProblem(http.StatusForbidden, "admin_closed", "without ADMIN_TOKEN this endpoint is open to this machine only").
				withHint("set ADMIN_TOKEN and send it as Authorization: Bearer …"))
			return
		}
		next.ServeHTTP(w, r)
	})
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

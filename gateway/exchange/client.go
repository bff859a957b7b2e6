package exchange

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"
)

// Proxies are those whose X-Forwarded-For entries are believed. The zero value
// trusts none.
type Proxies struct {
	read    func(http.Handler) http.Handler // nil: no proxy is trusted
	counted bool                            // by hops, so that any peer is believed
}

// TrustHops trusts exactly so many hops, whoever they are: only the proxies may
// reach the port.
func TrustHops(hops int) Proxies {
	if hops == 0 {
		return Proxies{}
	}
	return Proxies{read: middleware.ClientIPFromXFFTrustedProxies(hops), counted: true}
}

// TrustNetworks trusts the proxies with these addresses. A peer with another one is
// the client, whatever it says.
func TrustNetworks(networks []netip.Prefix) Proxies {
	names := make([]string, len(networks))
	for i, n := range networks {
		names[i] = n.String()
	}
	return Proxies{read: middleware.ClientIPFromXFF(names...)}
}

// Trusted reports whether any proxy is.
func (p Proxies) Trusted() bool { return p.read != nil }

// Reader returns the middleware that reads the client's address from
// X-Forwarded-For, nil when no proxy is trusted.
func (p Proxies) Reader() func(http.Handler) http.Handler { return p.read }

// Client is the address that a limit counts: the socket peer, or what Reader
// found in X-Forwarded-For. A request that bypassed the proxies has too few hops
// in that header, and counts by its socket peer.
func (p Proxies) Client(r *http.Request) netip.Addr {
	if p.Trusted() {
		if addr := middleware.GetClientIPAddr(r.Context()); addr.IsValid() {
			return addr
		}
	}
	return Peer(r.RemoteAddr)
}

// Bypassed reports whether r came from another machine, past the proxies that are
// counted on: they would have said for whom. Whoever can do that can also make
// X-Forwarded-For up.
func (p Proxies) Bypassed(r *http.Request) bool {
	if !p.counted || len(r.Header["X-Forwarded-For"]) > 0 {
		return false
	}
	peer := Peer(r.RemoteAddr)
	return peer.IsValid() && !peer.IsLoopback()
}

// Forwarded is Client for a connection from remoteAddr that sent one line of
// X-Forwarded-For.
func (p Proxies) Forwarded(remoteAddr, forwardedFor string) (client netip.Addr) {
	r := &http.Request{RemoteAddr: remoteAddr, Header: http.Header{"X-Forwarded-For": {forwardedFor}}}
	p.read(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client = p.Client(r)
	})).ServeHTTP(nil, r)
	return client
}

// Peer is the address of the other end of a connection, without its zone; the
// zero Addr when there is none, as on a Unix socket.
func Peer(remoteAddr string) netip.Addr {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

package exchange

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"
)

// Proxies is the number of hops whose X-Forwarded-For entries are believed.
type Proxies int

// Reader returns the middleware that reads the client's address from
// X-Forwarded-For, nil when no proxy is trusted.
func (p Proxies) Reader() func(http.Handler) http.Handler {
	if p == 0 {
		return nil
	}
	return middleware.ClientIPFromXFFTrustedProxies(int(p))
}

// Client is the address that a limit counts: the socket peer, or what Reader
// found in X-Forwarded-For. A request that bypassed the proxies has too few hops
// in that header, and counts by its socket peer.
func (p Proxies) Client(r *http.Request) netip.Addr {
	if p > 0 {
		if addr := middleware.GetClientIPAddr(r.Context()); addr.IsValid() {
			return addr
		}
	}
	return Peer(r.RemoteAddr)
}

// Forwarded is Client for a connection from remoteAddr that sent one line of
// X-Forwarded-For.
func (p Proxies) Forwarded(remoteAddr, forwardedFor string) (client netip.Addr) {
	r := &http.Request{RemoteAddr: remoteAddr, Header: http.Header{"X-Forwarded-For": {forwardedFor}}}
	p.Reader()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
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

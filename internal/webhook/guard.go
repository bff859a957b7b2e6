package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"geogate/internal/event"
)

const (
	resolveTimeout = 3 * time.Second
	dialTimeout    = 5 * time.Second
	idleTimeout    = 30 * time.Second
	maxHeader      = 16 << 10 // of an answer; nothing in it is of interest
)

// Guard decides where webhooks may go: to https on port 443 of public addresses, and
// to whatever the operator opened. It looks twice: when a URL is registered, so that
// a mistake is told at once, and at the socket, just before each connection, when
// only the address that was really dialled counts — names can change in between.
type Guard struct {
	open     []netip.Prefix
	public   *ssrf.Guardian
	resolver *net.Resolver
	secure   *http.Transport
	plain    *http.Transport
}

// GuardConfig adjusts a Guard. The zero value opens nothing.
type GuardConfig struct {
	Open     []netip.Prefix // addresses that are allowed with any port, plain http too
	Resolver *net.Resolver  // nil: the system's
	TLS      *tls.Config    // nil: the system's certificate authorities
}

// NewGuard returns a guard. Close it when nothing is sent any more.
func NewGuard(cfg GuardConfig) *Guard {
	g := &Guard{resolver: cfg.Resolver, public: ssrf.New(ssrf.WithPorts(443))}
	for _, prefix := range cfg.Open {
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 { // addresses are compared unmapped
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		g.open = append(g.open, prefix.Masked())
	}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	config := cfg.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = tls.VersionTLS12
	g.secure = g.transport(true)
	g.secure.TLSClientConfig = config
	g.secure.ForceAttemptHTTP2 = true
	g.plain = g.transport(false)
	return g
}

// Close ends idle connections.
func (g *Guard) Close() {
	g.secure.CloseIdleConnections()
	g.plain.CloseIdleConnections()
}

// transport connects to allowed addresses only. It reads no proxy variables: a proxy
// would connect on our behalf and check nothing.
func (g *Guard) transport(secure bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout:  dialTimeout,
		Resolver: g.resolver,
		Control: func(network, address string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(address)
			if err != nil || network != "tcp4" && network != "tcp6" {
				return forbidden("not a TCP address")
			}
			return g.check(target, secure)
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    32,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
	}
}

// roundTrip sends one request and follows no redirect.
func (g *Guard) roundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		return g.secure.RoundTrip(req)
	}
	return g.plain.RoundTrip(req)
}

// check tells whether an address may be connected to.
func (g *Guard) check(target netip.AddrPort, secure bool) error {
	addr := target.Addr().WithZone("").Unmap()
	for _, prefix := range g.open {
		if prefix.Contains(addr) {
			return nil
		}
	}
	switch {
	case !secure:
		return forbidden("only https, unless WEBHOOK_ALLOW_CIDRS covers the address")
	case target.Port() != 443:
		return forbidden("only port 443, unless WEBHOOK_ALLOW_CIDRS covers the address")
	}
	if err := g.public.SafeAddr(addr); err != nil {
		return forbidden("not a public address, and WEBHOOK_ALLOW_CIDRS does not cover it")
	}
	return nil
}

// Check returns a URL in its canonical form if webhooks may be sent there now; every
// address of its name must be allowed. Errors: ErrInvalid, ErrForbiddenTarget,
// ErrUnresolved.
func (g *Guard) Check(ctx context.Context, raw string) (string, error) {
	u, port, err := parseTarget(raw)
	if err != nil {
		return "", fmt.Errorf("check url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(addrs) == 0 {
		return "", fmt.Errorf("check url: %w", &event.InputError{Kind: ErrUnresolved, Detail: "the name in the url has no address"})
	}
	for _, addr := range addrs {
		if err := g.check(netip.AddrPortFrom(addr, port), u.Scheme == "https"); err != nil {
			return "", fmt.Errorf("check url: %w", err)
		}
	}
	return u.String(), nil
}

// parseTarget reads an absolute http or https URL and brings it into canonical form.
func parseTarget(raw string) (*url.URL, uint16, error) {
	if len(raw) > maxURL {
		return nil, 0, invalid("the url is longer than 2,048 characters")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, 0, invalid("the url must be absolute, such as https://app.example.org/event")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, 0, forbidden("only https")
	case u.User != nil:
		return nil, 0, invalid("the url must not hold a user or password")
	case u.Fragment != "":
		return nil, 0, invalid("the url must not have a fragment")
	}
	host := strings.ToLower(u.Hostname())
	for _, c := range []byte(host) {
		if c <= ' ' || c >= 0x7f || c == '%' {
			// Also keeps Unicode digits and dots from becoming ASCII ones on the way.
			return nil, 0, invalid("the name must be written in ASCII, international ones as xn--…")
		}
	}
	if disguised(host) {
		return nil, 0, forbidden("an address must be written in its usual form")
	}
	port := uint16(443)
	if u.Scheme == "http" {
		port = 80
	}
	written := u.Port()
	u.Host = host
	if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	}
	if written != "" {
		n, err := strconv.ParseUint(written, 10, 16)
		if err != nil || n == 0 {
			return nil, 0, invalid("the port must be a number from 1 to 65535")
		}
		if n != uint64(port) {
			u.Host = net.JoinHostPort(host, written)
		}
		port = uint16(n)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, port, nil
}

// disguised reports whether a host is an IPv4 address in a form that some resolvers
// understand and others do not: 127.1, 0x7f000001, 017700000001, 2130706433. By the
// URL standard a name whose last label is a number is an address.
func disguised(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, found := strings.CutPrefix(last, "0x")
	return found && strings.Trim(hex, "0123456789abcdef") == ""
}

// wordFor names what went wrong with an attempt in a few fixed words: nothing that
// the other side said is shown to anybody.
func wordFor(err error) string {
	var dns *net.DNSError
	var network net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrForbiddenTarget):
		return "forbidden address"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &dns):
		return "name does not resolve"
	case errors.As(err, &certificate):
		return "bad certificate"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	}
	return "connection failed"
}

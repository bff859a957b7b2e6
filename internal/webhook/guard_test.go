package webhook_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

// nameServer is a DNS server on loopback whose answers a test changes.
type nameServer struct {
	*net.Resolver

	mu    sync.Mutex
	addrs map[string][]netip.Addr
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{addrs: map[string][]netip.Addr{}}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(s.answer(buf[:n]), from)
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		done.Wait()
	})
	dialer := &net.Dialer{}
	s.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	return s
}

func (s *nameServer) set(name string, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs[name] = nil
	for _, addr := range addrs {
		s.addrs[name] = append(s.addrs[name], netip.MustParseAddr(addr))
	}
}

// answer builds the answer to a query with one question (RFC 1035, 4.1).
func (s *nameServer) answer(query []byte) []byte {
	var labels []string
	i := 12
	for query[i] != 0 {
		n := int(query[i])
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	end := i + 5
	kind := binary.BigEndian.Uint16(query[i+1:])
	s.mu.Lock()
	addrs, known := s.addrs[strings.ToLower(strings.Join(labels, "."))]
	s.mu.Unlock()
	out := append([]byte{}, query[:end]...)
	out[2], out[3] = 0x81, 0x80
	if !known {
		out[3] |= 3 // NXDOMAIN
	}
	count := uint16(0)
	for _, addr := range addrs {
		if addr.Is4() != (kind == 1) || kind != 1 && kind != 28 {
			continue
		}
		count++
		raw := addr.AsSlice()
		out = append(out, 0xC0, 12)
		out = binary.BigEndian.AppendUint16(out, kind)
		out = append(out, 0, 1, 0, 0, 0, 0, 0, byte(len(raw)))
		out = append(out, raw...)
	}
	binary.BigEndian.PutUint16(out[6:], count)
	binary.BigEndian.PutUint16(out[8:], 0)
	binary.BigEndian.PutUint16(out[10:], 0)
	return out
}

func TestGuardAtRegistration(t *testing.T) {
	names := newNameServer(t)
	names.set("public.test", "93.184.215.14")
	names.set("private.test", "10.1.2.3")
	names.set("mixed.test", "93.184.215.14", "127.0.0.1")
	names.set("mapped.test", "::ffff:127.0.0.1")
	names.set("nat64.test", "64:ff9b::7f00:1")
	names.set("sixtofour.test", "2002:7f00:1::1")
	names.set("metadata.test", "169.254.169.254")
	names.set("empty.test")
	guard := webhook.NewGuard(webhook.GuardConfig{Resolver: names.Resolver})
	opened := webhook.NewGuard(webhook.GuardConfig{Resolver: names.Resolver, Open: append(loopback, netip.MustParsePrefix("::ffff:10.0.0.0/104"))})
	for _, row := range []struct {
		guard *webhook.Guard
		name  string
		url   string
		want  error
	}{
		{guard, "public", "https://public.test/event?a=b", nil},
		{guard, "public with the port", "https://public.test:443/", nil},
		{guard, "public literal", "https://93.184.215.14/", nil},
		{guard, "public IPv6 literal", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", nil},
		{guard, "http", "http://public.test/", webhook.ErrForbiddenTarget},
		{guard, "other port", "https://public.test:8443/", webhook.ErrForbiddenTarget},
		{guard, "http on 443", "http://public.test:443/", webhook.ErrForbiddenTarget},
		{guard, "other scheme", "ftp://public.test/", webhook.ErrForbiddenTarget},
		{guard, "gopher", "gopher://127.0.0.1:6379/_SET", webhook.ErrForbiddenTarget},
		{guard, "file", "file:///etc/passwd", webhook.ErrInvalid},
		{guard, "loopback", "https://127.0.0.1/", webhook.ErrForbiddenTarget},
		{guard, "loopback elsewhere", "https://127.255.1.1/", webhook.ErrForbiddenTarget},
		{guard, "localhost", "https://localhost/", webhook.ErrForbiddenTarget},
		{guard, "unspecified", "https://0.0.0.0/", webhook.ErrForbiddenTarget},
		{guard, "unspecified IPv6", "https://[::]/", webhook.ErrForbiddenTarget},
		{guard, "10/8", "https://10.0.0.1/", webhook.ErrForbiddenTarget},
		{guard, "172.16/12", "https://172.31.255.255/", webhook.ErrForbiddenTarget},
		{guard, "192.168/16", "https://192.168.0.1/", webhook.ErrForbiddenTarget},
		{guard, "CGNAT", "https://100.64.0.1/", webhook.ErrForbiddenTarget},
		{guard, "link-local", "https://169.254.169.254/", webhook.ErrForbiddenTarget},
		{guard, "broadcast", "https://255.255.255.255/", webhook.ErrForbiddenTarget},
		{guard, "multicast", "https://224.0.0.1/", webhook.ErrForbiddenTarget},
		{guard, "documentation", "https://192.0.2.1/", webhook.ErrForbiddenTarget},
		{guard, "benchmarking", "https://198.18.0.1/", webhook.ErrForbiddenTarget},
		{guard, "decimal", "https://2130706433/", webhook.ErrForbiddenTarget},
		{guard, "octal", "https://0177.0.0.1/", webhook.ErrForbiddenTarget},
		{guard, "octal in one", "https://017700000001/", webhook.ErrForbiddenTarget},
		{guard, "hexadecimal", "https://0x7f000001/", webhook.ErrForbiddenTarget},
		{guard, "hexadecimal part", "https://127.0.0.0x1/", webhook.ErrForbiddenTarget},
		{guard, "short", "https://127.1/", webhook.ErrForbiddenTarget},
		{guard, "with a dot", "https://127.0.0.1./", webhook.ErrForbiddenTarget},
		{guard, "full-width digits", "https://１２７.0.0.1/", webhook.ErrInvalid},
		{guard, "circled digits", "https://①②⑦.0.0.1/", webhook.ErrInvalid},
		{guard, "escaped", "https://127%2e0.0.1/", webhook.ErrInvalid},
		{guard, "IPv6 loopback", "https://[::1]/", webhook.ErrForbiddenTarget},
		{guard, "unique local", "https://[fd00::1]/", webhook.ErrForbiddenTarget},
		{guard, "IPv6 link-local", "https://[fe80::1]/", webhook.ErrForbiddenTarget},
		{guard, "zone", "https://[fe80::1%25lo]/", webhook.ErrInvalid},
		{guard, "mapped", "https://[::ffff:127.0.0.1]/", webhook.ErrForbiddenTarget},
		{guard, "mapped in hex", "https://[::ffff:7f00:1]/", webhook.ErrForbiddenTarget},
		{guard, "compatible", "https://[::127.0.0.1]/", webhook.ErrForbiddenTarget},
		{guard, "NAT64", "https://[64:ff9b::7f00:1]/", webhook.ErrForbiddenTarget},
		{guard, "local NAT64", "https://[64:ff9b:1::7f00:1]/", webhook.ErrForbiddenTarget},
		{guard, "6to4", "https://[2002:7f00:1::1]/", webhook.ErrForbiddenTarget},
		{guard, "Teredo", "https://[2001::1]/", webhook.ErrForbiddenTarget},
		{guard, "name of a private address", "https://private.test/", webhook.ErrForbiddenTarget},
		{guard, "name of both kinds", "https://mixed.test/", webhook.ErrForbiddenTarget},
		{guard, "name of a mapped address", "https://mapped.test/", webhook.ErrForbiddenTarget},
		{guard, "name of a NAT64 address", "https://nat64.test/", webhook.ErrForbiddenTarget},
		{guard, "name of a 6to4 address", "https://sixtofour.test/", webhook.ErrForbiddenTarget},
		{guard, "name of the metadata service", "https://metadata.test/", webhook.ErrForbiddenTarget},
		{guard, "unknown name", "https://nobody.test/", webhook.ErrUnresolved},
		{guard, "name without address", "https://empty.test/", webhook.ErrUnresolved},
		{guard, "user", "https://user:password@public.test/", webhook.ErrInvalid},
		{guard, "user like a host", "https://public.test@127.0.0.1/", webhook.ErrInvalid},
		{guard, "fragment", "https://public.test/#a", webhook.ErrInvalid},
		{guard, "port 0", "https://public.test:0/", webhook.ErrInvalid},
		{guard, "port too large", "https://public.test:65536/", webhook.ErrInvalid},
		{guard, "relative", "/event", webhook.ErrInvalid},
		{guard, "nothing", "", webhook.ErrInvalid},
		{guard, "too long", "https://public.test/" + strings.Repeat("a", 2048), webhook.ErrInvalid},
		{opened, "opened, http and port", "http://127.0.0.1:9/", nil},
		{opened, "opened IPv6", "http://[::1]:9/", nil},
		{opened, "opened by a mapped range", "https://private.test:1/", nil},
		{opened, "opened and public", "https://mixed.test/", nil},
		{opened, "opened, but http to the public one", "http://mixed.test/", webhook.ErrForbiddenTarget},
		{opened, "not opened", "https://192.168.0.1/", webhook.ErrForbiddenTarget},
	} {
		if _, err := row.guard.Check(t.Context(), row.url); !errors.Is(err, row.want) {
			t.Errorf("%s: Check(%q) = %v, want %v", row.name, row.url, err, row.want)
		}
	}
}

func TestGuardCanonicalForm(t *testing.T) {
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	for raw, want := range map[string]string{
		"HTTP://LOCALHOST:80":         "http://localhost/",
		"https://127.0.0.1:443/a?b=c": "https://127.0.0.1/a?b=c",
		"http://[::1]:9/":             "http://[::1]:9/",
		"https://[::1]":               "https://[::1]/",
	} {
		if got, err := guard.Check(t.Context(), raw); err != nil || got != want {
			t.Errorf("Check(%q) = %q, %v, want %q", raw, got, err, want)
		}
	}
}

// What was a public name when it was registered, and is a private one when an event
// comes, gets no connection.
func TestGuardAtDial(t *testing.T) {
	t.Parallel()
	var touched atomic.Int64
	canary, err := net.Listen("tcp", "127.0.0.1:443") // where a fooled sender would end up
	if err != nil {
		t.Logf("port 443 is not ours (%v): the canary listens elsewhere, refusals are checked by their words", err)
		if canary, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := canary.Accept()
			if err != nil {
				return
			}
			touched.Add(1)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = canary.Close()
		done.Wait()
	})
	names := newNameServer(t)
	rdb := redistest.Start(t).Client(t)
	guard := webhook.NewGuard(webhook.GuardConfig{Resolver: names.Resolver})
	t.Cleanup(guard.Close)
	cfg := quick()
	h := &house{Registry: webhook.NewRegistry(rdb, guard, cfg), events: event.New(rdb, event.Config{})}
	asynctest.Background(t, h.events.Run)
	asynctest.Background(t, webhook.NewSender(rdb, h.events, guard, cfg).Run)
	targets := map[string]string{
		"loopback.test": "127.0.0.1", "mapped.test": "::ffff:127.0.0.1", "nat64.test": "64:ff9b::7f00:1",
		"ten.test": "10.0.0.1", "metadata.test": "169.254.169.254", "six.test": "::1",
	}
	ids := map[string]string{}
	for name := range targets {
		names.set(name, "93.184.215.14")
		ids[name] = h.register(t, "https://"+name+"/event").ID
	}
	for name, addr := range targets {
		names.set(name, addr)
	}
	h.publish(t, "a", "", 1)
	for name, id := range ids {
		asynctest.Eventually(t, name+" is refused", func() bool { return h.subscriber(t, id).DeadLetters == 1 })
		if got := h.subscriber(t, id); got.Reason != "forbidden address" {
			t.Errorf("%s: reason %q, want it refused at dial", name, got.Reason)
		}
	}
	if n := touched.Load(); n != 0 {
		t.Errorf("the canary was touched %d times", n)
	}
}

// A proxy in the environment would connect on our behalf and check nothing.
func TestNoProxy(t *testing.T) {
	proxy := newReceiver(t, status(http.StatusOK))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	h := newHouse(t, redistest.Start(t).Client(t), quick())
	r := newReceiver(t, status(http.StatusOK))
	s := h.subscribe(t, r)
	h.publish(t, "a", "", 1)
	asynctest.Eventually(t, "delivered", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
	if n := len(proxy.received()); n != 0 {
		t.Errorf("the proxy was used %d times", n)
	}
}

package exchange

import (
	"net/netip"
	"testing"
)

// Whatever a client writes in front of what the trusted proxies add, it counts by
// what they added.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "192.0.2.9", "a, b", "::1", "192.0.2.1, ", ",,,", "[::1]:80", "fe80::1%eth0", "\x00"} {
		f.Add(seed)
	}
	proxy := netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, made string) {
		for _, line := range []string{made + ",192.0.2.1", made + ", 192.0.2.1"} {
			if got := TrustHops(1).Forwarded("127.0.0.1:80", line); got != proxy {
				t.Errorf("X-Forwarded-For %q counts by %s, want %s", line, got, proxy)
			}
		}
	})
}

package exchange

import (
	"net/netip"
	"testing"
)

func TestClientKey(t *testing.T) {
	tests := []struct{ name, a, b string }{
		{"one /64", "2001:db8:1:2:aaaa::1", "2001:db8:1:2:bbbb::2"},
		{"one address", "192.0.2.1", "192.0.2.1"},
	}
	for _, tt := range tests {
		if a, b := clientKey(netip.MustParseAddr(tt.a)), clientKey(netip.MustParseAddr(tt.b)); a != b {
			t.Errorf("%s: keys %q and %q differ", tt.name, a, b)
		}
	}
	if a, b := clientKey(netip.MustParseAddr("2001:db8:1:2::1")), clientKey(netip.MustParseAddr("2001:db8:1:3::1")); a == b {
		t.Errorf("two /64 share the key %q", a)
	}
}

// What is kept about a client is kept by subscriber.
func TestClientOf(t *testing.T) {
	for in, want := range map[string]string{
		"2001:db8:1:2:aaaa::1": "2001:db8:1:2::", "2001:db8:1:2:bbbb::2": "2001:db8:1:2::", "192.0.2.1": "192.0.2.1",
	} {
		if got := ClientOf(netip.MustParseAddr(in)); got != netip.MustParseAddr(want) {
			t.Errorf("ClientOf(%s) = %s, want %s", in, got, want)
		}
	}
	if got := ClientOf(netip.Addr{}); got.IsValid() {
		t.Errorf("ClientOf of none = %s, want none", got)
	}
}

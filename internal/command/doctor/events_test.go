package doctor

import (
	"net"
	"strings"
	"testing"
)

func TestBus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	here := l.Addr().String()
	if f := examineBus(t.Context(), []string{here}); f.Verdict != Healthy || !strings.Contains(f.Detail, here) {
		t.Errorf("%+v, want %s to be reached", f, here)
	}
	for _, away := range []string{"127.0.0.1:9", "127.0.0.9", "[::9]"} { // without a port: that of NATS
		if f := examineBus(t.Context(), []string{here, away}); f.Verdict != Warned || !strings.HasSuffix(f.Detail, " "+away) {
			t.Errorf("%+v, want a warning about %s alone", f, away)
		}
	}
}

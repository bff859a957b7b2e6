package geocoding

import (
	"net/netip"
	"testing"
	"time"
)

func TestTypingIsRecognised(t *testing.T) {
	client := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name    string
		queries []string
		pause   time.Duration
		want    bool
	}{
		{"letter by letter", []string{"v", "va", "vad", "vadu"}, 200 * time.Millisecond, true},
		{"in any case", []string{"V", "va", "VAD", "vadu"}, 200 * time.Millisecond, true},
		{"slowly", []string{"v", "va", "vad", "vadu"}, 3 * time.Second, false},
		{"one search after the other", []string{"vaduz", "schaan", "ruggell", "balzers"}, 200 * time.Millisecond, false},
		{"one correction", []string{"vaduz", "vaduz l"}, 200 * time.Millisecond, false},
		{"the same again and again", []string{"vaduz", "vaduz", "vaduz", "vaduz", "vaduz"}, 200 * time.Millisecond, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var typists typing
			now, got := time.Now(), false
			for _, q := range tt.queries {
				got = typists.watch(client, q, now)
				now = now.Add(tt.pause)
			}
			if got != tt.want {
				t.Errorf("recognised %t, want %t", got, tt.want)
			}
		})
	}
}

func TestTypingHasBoundedMemory(t *testing.T) {
	var typists typing
	now := time.Now()
	for i := range maxTypists + 100 {
		typists.watch(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "a", now)
	}
	if n := len(typists.clients); n > maxTypists {
		t.Errorf("%d series are watched, want at most %d", n, maxTypists)
	}
	typists.watch(netip.MustParseAddr("192.0.2.1"), "a", now.Add(time.Minute))
	if n := len(typists.clients); n != 1 {
		t.Errorf("%d series after all are over, want 1", n)
	}
}

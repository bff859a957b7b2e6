package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnknownNamesVariablesOfOpenTelemetry(t *testing.T) {
	want := []string{"OTEL_EXPORTER_OTLP_TIMEOUT is set, and geogate does not read it"}
	if notes := Unknown([]string{"OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_SERVICE_NAME=town"}); !slices.Equal(notes, want) {
		t.Errorf("Unknown = %q, want %q", notes, want)
	}
}

func TestUnknown(t *testing.T) {
	tests := []struct {
		environ []string
		want    string // the variable that is suggested; empty: nothing is said
	}{
		{[]string{"CACHE_TLL=1h"}, "CACHE_TTL"},
		{[]string{"CACHE_TT=1h"}, "CACHE_TTL"},
		{[]string{"UPSTREAM=gazetteer"}, "UPSTREAMS"},
		{[]string{"DISPATCH_RADI_KM=1"}, "DISPATCH_RADII_KM"},
		{[]string{"TRUSTED_PROXY_CIDR=10.0.0.0/8"}, "TRUSTED_PROXY_CIDRS"},
		{[]string{"redis_url=redis://host"}, "REDIS_URL"},
		{[]string{"GEOGATE_CACHE_TTL=1h"}, "CACHE_TTL"},
		{[]string{"CACHE_TLL="}, ""},                   // unset in all but name
		{[]string{"CACHE_TLL=1h", "CACHE_TTL=1h"}, ""}, // somebody else's
		{[]string{"CACHE_TTL=1h", "PORT=1"}, ""},       // ours
		{[]string{"HOME=/root", "LANG=C", "TERM=xterm", "DYNO=web.1", "REDIS_TLS_URL=x", "CACHE_DIR=/tmp"}, ""},
	}
	for _, tt := range tests {
		notes := Unknown(tt.environ)
		if tt.want == "" && len(notes) > 0 || tt.want != "" && (len(notes) != 1 || !strings.HasSuffix(notes[0], "did you mean "+tt.want+"?")) {
			t.Errorf("Unknown(%q) = %q, want a note about %q", tt.environ, notes, tt.want)
		}
		if slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "1h") }) {
			t.Errorf("Unknown(%q) = %q shows a value, which may be a secret", tt.environ, notes)
		}
	}
}

// Giving up early on words that differ too much decides nothing.
func TestDistanceGivesUpOnlyAboveItsBound(t *testing.T) {
	words := []string{""}
	for range 5 { // all words of up to five of two letters
		for _, w := range words {
			for _, letter := range []string{"a", "b"} {
				if !slices.Contains(words, w+letter) {
					words = append(words, w+letter)
				}
			}
		}
	}
	for _, a := range words {
		for _, b := range words {
			whole := distance(a, b, 100)
			for most := range 4 {
				if got := distance(a, b, most); got != whole && (whole <= most || got <= most) {
					t.Errorf("distance(%q, %q, %d) = %d, want %d", a, b, most, got, whole)
				}
			}
		}
	}
}

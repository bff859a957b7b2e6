package redisclient

import (
	"strings"
	"testing"

	"geogate/internal/redistest"
)

func TestParseURL(t *testing.T) {
	tests := []struct{ name, url, label string }{
		{"server", "redis://:hunter2@host:6380/3", "host:6380"},
		{"cluster", "redis://user:hunter2@a:1?addr=b:2", "cluster of a:1, b:2"},
		{"tls", "rediss://:hunter2@host", "host:6379 over TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options, err := ParseURL(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			c := Open(options)
			if c.Label() != tt.label || c.BuiltIn() || c.OverTLS() != strings.Contains(tt.label, "TLS") || c.Budget() != 0 {
				t.Errorf("label %q, built in %t, TLS %t, budget %s, want %q of a server", c.Label(), c.BuiltIn(), c.OverTLS(), c.Budget(), tt.label)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, bad := range []string{"http://:hunter2@host", "redis://:hunter2@host/zero", "host", "://hunter2"} {
		if options, err := ParseURL(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseURL(%q) = %+v, %v, want an error without the password", bad, options, err)
		}
	}
}

func TestOpen(t *testing.T) {
	server, err := ParseURL("redis://" + redistest.Start(t).Addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Client{"built in": Open(nil), "server": Open(server), "patient": OpenPatient(server)} {
		t.Run(name, func(t *testing.T) {
			if err := c.Answers(t.Context()); err != nil {
				t.Errorf("Redis does not answer: %v", err)
			}
			if v, err := c.Version(t.Context()); c.BuiltIn() == (err == nil) {
				t.Errorf("Version() = %q, %v", v, err)
			}
			if patient := c.Budget() > 0; patient != (name != "server") {
				t.Errorf("Budget() = %s", c.Budget())
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
	}
	if server.ReadTimeout != readTimeout {
		t.Error("OpenPatient changed the options of others")
	}
}

package config

import "testing"

func TestListen(t *testing.T) {
	tests := []struct{ setting, network, address, dialable string }{
		{"PORT=9000", "tcp", ":9000", "127.0.0.1:9000"},
		{"LISTEN=127.0.0.1:8080", "tcp", "127.0.0.1:8080", "127.0.0.1:8080"},
		{"LISTEN=:8080", "tcp", ":8080", "127.0.0.1:8080"},
		{"LISTEN=0.0.0.0:8080", "tcp", "0.0.0.0:8080", "127.0.0.1:8080"},
		{"LISTEN=[::1]:8080", "tcp", "[::1]:8080", "[::1]:8080"},
		{"LISTEN=localhost:0", "tcp", "localhost:0", "localhost:0"},
		{"LISTEN=/run/geogate/http.sock", "unix", "/run/geogate/http.sock", "/run/geogate/http.sock"},
		{"LISTEN=unix:/run/../tmp/s", "unix", "/tmp/s", "/tmp/s"},
	}
	for _, tt := range tests {
		c, err := Load(environment(tt.setting), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.setting, err)
			continue
		}
		if got := c.Listener(); got != (Listen{tt.network, tt.address}) || got.Dialable() != (Listen{tt.network, tt.dialable}) {
			t.Errorf("%s: listens on %v, dialled as %v, want %s %s and %s", tt.setting, got, got.Dialable(), tt.network, tt.address, tt.dialable)
		}
	}
	for _, bad := range []string{"8080", "localhost", "unix:run/s", "run/s", "host:http", "host:70000", "http://host:80", "unix:80", "a b:80"} {
		if c, err := Load(environment("LISTEN="+bad), nil); err == nil {
			t.Errorf("LISTEN=%s listens on %v, want an error", bad, c.Listener())
		}
	}
}

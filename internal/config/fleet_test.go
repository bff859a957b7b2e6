package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

var gossipKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, fleetKeyBytes))

func TestFleetSettings(t *testing.T) {
	many := strings.Repeat("a,", maxJoin) + "a"
	tests := []struct {
		name     string
		settings []string
		bind     string
		want     string // beginning of the one problem
	}{
		{name: "off"},
		{name: "a key alone", settings: []string{"FLEET_KEY=" + gossipKey}},
		{name: "loopback without a key", settings: []string{"FLEET_BIND=127.0.0.1:7946", "FLEET_JOIN=127.0.0.2"}, bind: "127.0.0.1:7946"},
		{name: "localhost", settings: []string{"FLEET_BIND=localhost:7946"}, bind: "127.0.0.1:7946"},
		{name: "IPv6 loopback", settings: []string{"FLEET_BIND=[::1]:7946"}, bind: "[::1]:7946"},
		{name: "every address", settings: []string{"FLEET_BIND=:7946", "FLEET_KEY=" + gossipKey}, bind: "0.0.0.0:7946"},
		{name: "a free port", settings: []string{"FLEET_BIND=127.0.0.1:0"}, bind: "127.0.0.1:0"},
		{name: "names and addresses", settings: []string{"FLEET_BIND=[::1]:1", "FLEET_JOIN=geogate, 10.0.0.1:7946,fd00::1,[fd00::2]:7946"}, bind: "[::1]:1"},

		{name: "no port", settings: []string{"FLEET_BIND=10.0.0.1", "FLEET_KEY=" + gossipKey}, want: `FLEET_BIND="10.0.0.1": want an IP address and a port`},
		{name: "a name", settings: []string{"FLEET_BIND=geogate:7946", "FLEET_KEY=" + gossipKey}, want: `FLEET_BIND="geogate:7946": want an IP address`},
		{name: "port too large", settings: []string{"FLEET_BIND=127.0.0.1:70000"}, want: "FLEET_BIND="},
		{name: "beyond loopback without a key", settings: []string{"FLEET_BIND=10.0.0.1:7946"}, want: "FLEET_KEY: required with FLEET_BIND=10.0.0.1:7946"},
		{name: "every address without a key", settings: []string{"FLEET_BIND=:7946"}, want: "FLEET_KEY: required with FLEET_BIND=0.0.0.0:7946"},
		{name: "short key", settings: []string{"FLEET_KEY=aHVudGVyMg=="}, want: "FLEET_KEY: want 32 random bytes in base64"},
		{name: "not base64", settings: []string{"FLEET_KEY=hunter2!"}, want: "FLEET_KEY: want 32 random bytes in base64"},
		{name: "join alone", settings: []string{"FLEET_JOIN=10.0.0.1:7946"}, want: "FLEET_BIND: required with FLEET_JOIN"},
		{name: "join nobody", settings: []string{"FLEET_BIND=127.0.0.1:7946", "FLEET_JOIN=a,,b"}, want: `FLEET_JOIN="a,,b": want hosts`},
		{name: "join a URL", settings: []string{"FLEET_BIND=127.0.0.1:7946", "FLEET_JOIN=http://a"}, want: "FLEET_JOIN="},
		{name: "join port 0", settings: []string{"FLEET_BIND=127.0.0.1:7946", "FLEET_JOIN=a:0"}, want: "FLEET_JOIN="},
		{name: "join too many", settings: []string{"FLEET_BIND=127.0.0.1:7946", "FLEET_JOIN=" + many}, want: "FLEET_JOIN="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(environment(tt.settings...), nil)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := c.FleetBind; got.IsValid() != (tt.bind != "") || got.IsValid() && got.String() != tt.bind {
					t.Errorf("FleetBind = %v, want %q", got, tt.bind)
				}
				if set := slices.Contains(tt.settings, "FLEET_KEY="+gossipKey); (c.GossipKey() != nil) != set {
					t.Errorf("GossipKey has %d bytes", len(c.GossipKey()))
				}
				return
			}
			wrong, ok := errors.AsType[*Error](err)
			if !ok || len(wrong.Problems) != 1 || !strings.HasPrefix(wrong.Problems[0], tt.want) {
				t.Fatalf("Load = %v, want one problem beginning with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVyMg") {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

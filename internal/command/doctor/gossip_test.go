package doctor

import (
	"net"
	"testing"
)

func TestExamineGossip(t *testing.T) {
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	there := l.Addr().String()
	for name, tt := range map[string]struct {
		gossip  *Gossip
		verdict Verdict
		detail  string
	}{
		"somebody listens":  {&Gossip{Join: []string{there}}, Healthy, "1 of 1 addresses of FLEET_JOIN accept connections"},
		"some do not":       {&Gossip{Join: []string{there, "127.0.0.1:1"}}, Healthy, "1 of 2 addresses of FLEET_JOIN accept connections"},
		"nobody listens":    {&Gossip{Join: []string{"127.0.0.1"}, Port: 1}, Warned, "0 of 1 addresses of FLEET_JOIN accept connections"},
		"there is no other": {&Gossip{}, Warned, "nobody to join"},
	} {
		got := examineGossip(t.Context(), tt.gossip)
		if len(got) != 1 || got[0].Verdict != tt.verdict || got[0].Detail != tt.detail {
			t.Errorf("%s: %+v, want %s %q", name, got, tt.verdict, tt.detail)
		}
	}
	if got := examineGossip(t.Context(), nil); got != nil {
		t.Errorf("without gossip: %+v", got)
	}
}

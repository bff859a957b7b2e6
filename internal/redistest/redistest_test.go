package redistest

import (
	"context"
	"testing"
	"time"
)

func TestServerSurvivesItsOwnFaults(t *testing.T) {
	ctx := context.Background()
	s := Start(t, "--maxmemory", "64mb")
	client := s.Client(t)
	if got := client.ConfigGet(ctx, "maxmemory").Val()["maxmemory"]; got != "67108864" {
		t.Errorf("maxmemory = %q, want the argument given to Start", got)
	}
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}

	s.Pause(t)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := client.Get(short, "k").Err(); err == nil {
		t.Error("a paused server answered")
	}
	s.Resume(t)
	if got := client.Get(ctx, "k").Val(); got != "v" {
		t.Errorf("after Resume k = %q, want %q", got, "v")
	}

	s.Stop()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a stopped server answered")
	}
	s.Restart(t)
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after Restart: %v", err)
	}
	if n := client.Exists(ctx, "k").Val(); n != 0 {
		t.Error("a server without persistence kept a key over a crash")
	}
}

// A test keeps its ports, whatever listens there, until it ends.
func TestPortsBelongToOneTest(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		addr := FreeAddr(t)
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
	}
}

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/gossip"
	"geogate/internal/redistest"
)

// freeAddress returns one of loopback that is free for TCP, and for UDP unless somebody
// takes it meanwhile.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return netip.MustParseAddrPort(l.Addr().String())
}

// gossiping starts processes that gossip, beside a Redis. Each is opened at an address
// of its own, and joins the first.
func gossiping(t *testing.T, server *redistest.Server, n int) []*Fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	var fleets []*Fleet
	var join []string
	for range n {
		f := openSomewhere(t, server, &join)
		f.Join(t.Context())
		fleets = append(fleets, f)
		running.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return fleets
}

// openSomewhere opens a process that joins the first of join, or becomes it.
func openSomewhere(t *testing.T, server *redistest.Server, join *[]string) *Fleet {
	t.Helper()
	for range 10 {
		f := New(server.Client(t), "test", zerolog.Nop())
		at := freeAddress(t)
		f.ListensOn("10.0.0.1:8080")
		f.Gossip(gossip.Config{Bind: at, Join: *join, Log: zerolog.Nop()})
		if err := f.Open(); err != nil {
			t.Log(err) // somebody was faster
			continue
		}
		if len(*join) == 0 {
			*join = []string{at.String()}
		}
		return f
	}
	t.Fatal("no address is free")
	return nil
}

func TestGossipWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	fleets := gossiping(t, server, 3)
	if _, err := fleets[0].Set(t.Context(), Change{Mode: CachedOnly, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	await(t, fleets, CachedOnly, 1)
	server.Stop()
	seen := uint64(1)
	v, err := fleets[1].Set(t.Context(), Change{Mode: ReadOnly, By: strings.Repeat("b", 300), Reason: "moving\nhouse", IfGeneration: &seen})
	if err != nil || v.Generation != 2 || v.SetBy != strings.Repeat("b", MaxReason) {
		t.Fatalf("Set without Redis = %+v, %v", v, err)
	}
	await(t, fleets, ReadOnly, 2)
	for _, f := range fleets {
		if got := f.Value(); got != v {
			t.Errorf("%s knows %+v, want %+v", f.Name(), got, v)
		}
	}
	_, err = fleets[2].Set(t.Context(), Change{Mode: Normal, IfGeneration: &seen})
	if conflict, lost := errors.AsType[*ConflictError](err); !lost || conflict.Present != v {
		t.Errorf("Set from an older generation = %v, want a conflict", err)
	}

	late := gossipingWith(t, server, fleets[0])
	if got := late.Value(); got != v {
		t.Errorf("a process that has joined knows %+v, want %+v", got, v)
	}
	asynctest.Eventually(t, "all are listed with what they know", func() bool {
		list, err := late.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list) == 4 && !slices.ContainsFunc(list, func(m Member) bool {
			return m.Status != Alive || m.Generation != 2 || m.Version != "test" || m.Address != "10.0.0.1:8080" || m.StartedAt.IsZero()
		})
	})

	// Two at once come to one value everywhere.
	var writers sync.WaitGroup
	for i, f := range fleets[:2] {
		writers.Go(func() {
			if _, err := f.Set(t.Context(), Change{Mode: []Mode{CachedOnly, Normal}[i], By: f.Name()}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	asynctest.Eventually(t, "all know the same", func() bool {
		return !slices.ContainsFunc(fleets, func(f *Fleet) bool { return f.Value() != late.Value() || f.Value().Generation < 3 })
	})

	// The Redis that comes back, empty, gets it.
	final := late.Value()
	server.Restart(t)
	asynctest.Eventually(t, "Redis has the value", func() bool {
		fresh := New(server.Client(t), "test", zerolog.Nop())
		return fresh.Look(t.Context()) == nil && fresh.Value() == final
	})
}

// gossipingWith starts a process that joins the one of other.
func gossipingWith(t *testing.T, server *redistest.Server, other *Fleet) *Fleet {
	t.Helper()
	join := []string{other.mesh.Address()}
	f := openSomewhere(t, server, &join)
	f.Join(t.Context())
	asynctest.Background(t, f.Run)
	return f
}

func TestValuesTravelWhole(t *testing.T) {
	v := Value{Mode: ReadOnly, Generation: 1 << 60, Reason: "Überlast: \t\"…\"", SetBy: "ann", SetAt: time.UnixMilli(1).UTC()}
	if got, ok := parseText(v.text()); !ok || got != v {
		t.Errorf("parseText = %+v, %v, want %+v", got, ok, v)
	}
	for _, text := range []string{"", "normal", "other\x001\x00\x00\x001", strings.Repeat("\x00", 9)} {
		if got, ok := parseText([]byte(text)); ok {
			t.Errorf("parseText(%q) = %+v, want none", text, got)
		}
	}
	long := Value{Mode: CachedOnly, Generation: 1<<64 - 1, Reason: strings.Repeat("r", MaxReason), SetBy: strings.Repeat("b", MaxReason), SetAt: time.Now()}
	if n := len(long.text()); n > 1000 {
		t.Errorf("a value of %d bytes does not fit into a packet", n)
	}
}

func TestMembersOfTwoSources(t *testing.T) {
	now := time.Now()
	noted := func(ago time.Duration) []notedMember {
		m := notedMember{Member{Name: "a", Status: Alive, Generation: 1}, ago}
		return []notedMember{m}
	}
	tests := []struct {
		name  string
		noted []notedMember
		peers []gossip.Peer
		want  string
	}{
		{"by Redis", noted(time.Second), nil, "alive 1"},
		{"by gossip", nil, []gossip.Peer{{Name: "a", About: gossip.About{Generation: 2}}}, "alive 2"},
		{"by both", noted(time.Second), []gossip.Peer{{Name: "a", About: gossip.About{Generation: 2}}}, "alive 2"},
		{"lost by gossip", nil, []gossip.Peer{{Name: "a", LostAt: now}}, "unreachable 0"},
		{"killed", noted(7 * time.Second), []gossip.Peer{{Name: "a", LostAt: now.Add(-time.Second)}}, "unreachable 1"},
		{"cut off from gossip", noted(time.Second), []gossip.Peer{{Name: "a", LostAt: now.Add(-5 * time.Second)}}, "alive 1"},
		{"cut off from Redis", []notedMember{{Member{Name: "a", Status: Unreachable}, 20 * time.Second}}, []gossip.Peer{{Name: "a"}}, "alive 0"},
	}
	for _, tt := range tests {
		list := merged(tt.noted, tt.peers, now)
		if len(list) != 1 || fmt.Sprint(list[0].Status, " ", list[0].Generation) != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, list, tt.want)
		}
	}
}

func TestAStoppedProcessIsNotCurrent(t *testing.T) {
	f := New(nil, "test", zerolog.Nop())
	if !f.Current() {
		t.Error("a process that has not begun is not current")
	}
	for ago, want := range map[time.Duration]bool{0: true, sleptAfter - 5*time.Second: true, sleptAfter + time.Second: false} {
		at := time.Now().Add(-ago)
		f.looked.Store(&at)
		if f.Current() != want {
			t.Errorf("%s after the last look it is current: %v", ago, !want)
		}
	}
}

package dispatch_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

var (
	soakOps = flag.Int("soak-ops", 1_000_000, "operations of the soak")
	soakFor = flag.Duration("soak-for", 40*time.Minute, "how long it may take; it then says how far it got")
)

// lossShare is the share of answers of Redis that get lost.
const lossShare = 0.002

// TestHistoriesHoldWhenProcessesDie is the short version of TestSoak: rounds until
// every fault has been there.
func TestHistoriesHoldWhenProcessesDie(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			began := time.Now()
			b := besiege(t, seed, offers, 150*time.Millisecond)
			for n := uint64(0); !t.Failed(); n++ {
				b.play(t, seed+n, 400)
				if f := b.faults(); f.killed >= 3 && f.restarted >= 1 && f.paused >= 1 {
					break
				}
				if time.Since(began) > time.Minute {
					t.Fatalf("not every fault has happened within a minute: %s", b.faults())
				}
			}
			t.Logf("first seed %d: %s", seed, b.faults())
		})
	}
}

// TestSoak plays rounds until the operations are done, half of them with offers. The
// engines that the clients call are processes that also work the due set; one of the
// three is killed every two seconds, Redis stops for a moment or is killed and started
// again every few, and now and then its answer is lost.
func TestSoak(t *testing.T) {
	if !*soak {
		t.Skip("takes many minutes: run with -soak")
	}
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			b := besiege(t, seed, offers, 2*time.Second)
			began, done, rounds := time.Now(), 0, uint64(0)
			for ; done < *soakOps/2 && time.Since(began) < *soakFor && !t.Failed(); rounds++ {
				done += b.play(t, seed+rounds, 1000)
				if rounds%50 == 49 {
					t.Logf("seed %d: %d operations in %s, %s", seed+rounds, done, time.Since(began).Round(time.Second), b.faults())
				}
			}
			t.Logf("seeds %d to %d: %d operations in %s, %s", seed, seed+rounds-1, done, time.Since(began).Round(time.Second), b.faults())
		})
	}
}

// besieged is a Redis that keeps what it has acknowledged, and three engine processes
// on it, all of which die again and again.
type besieged struct {
	server  *redistest.Server
	proxy   *faultproxy.Proxy
	offers  bool
	engines []caller
	calm    sync.Mutex // held while Redis is away, or must not go away

	mu   sync.Mutex
	seen faults
}

// faults counts what has happened.
type faults struct{ killed, paused, restarted, lost int }

func (f faults) String() string {
	return fmt.Sprintf("%d processes killed, Redis paused %d times and killed %d times, %d replies lost", f.killed, f.paused, f.restarted, f.lost)
}

// besiege starts the processes, and kills one of them at every tick until the test
// ends. At every fifth tick Redis is paused, and killed in the middle between.
func besiege(t *testing.T, seed uint64, offers bool, every time.Duration) *besieged {
	t.Helper()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	b := &besieged{server: server, offers: offers, proxy: faultproxy.New(t, server.Addr, lossShare, seed)}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	processes := make([]engineProcess, 3)
	t.Cleanup(func() {
		cancel()
		group.Wait()
		for _, p := range processes {
			p.kill()
		}
	})
	start := func(i int) {
		var err error
		if processes[i], err = startEngine(filepath.Join(dir, fmt.Sprint(i)), b.proxy.Addr, offers); err != nil {
			t.Errorf("start engine: %v", err)
		}
	}
	for i := range processes {
		start(i)
		b.engines = append(b.engines, newRemote(t, filepath.Join(dir, fmt.Sprint(i))))
	}
	group.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			processes[n%3].kill()
			start(n % 3)
			b.note(func(f *faults) { f.killed++ })
			switch n % 5 {
			case 2:
				b.pauseRedis(t)
			case 4:
				b.restartRedis(t)
			}
		}
	})
	return b
}

func (b *besieged) note(what func(*faults)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what(&b.seen)
}

func (b *besieged) faults() faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.seen
	f.lost = b.proxy.Lost()
	return f
}

func (b *besieged) pauseRedis(t *testing.T) {
	b.server.Pause(t)
	pause := time.NewTimer(400 * time.Millisecond)
	<-pause.C
	b.server.Resume(t)
	b.note(func(f *faults) { f.paused++ })
}

// restartRedis kills Redis in the middle of what it does. Everything that it has
// answered is in its file.
func (b *besieged) restartRedis(t *testing.T) {
	b.calm.Lock()
	defer b.calm.Unlock()
	b.server.Stop()
	b.server.Restart(t)
	b.note(func(f *faults) { f.restarted++ })
}

// play plays and checks a round, leaves Redis empty and returns how many operations
// there were.
func (b *besieged) play(t *testing.T, seed uint64, operations int) int {
	t.Helper()
	direct := b.server.Client(t)
	r := &round{t: t, engines: b.engines, offers: b.offers, emit: true, calm: &b.calm}
	r.play(direct, seed, operations)
	b.calm.Lock()
	defer b.calm.Unlock()
	flush(t, direct)
	return len(r.history)
}

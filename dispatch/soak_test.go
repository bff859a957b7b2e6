package dispatch_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/faultproxy"
	"geogate/internal/redistest"
)

var (
	soakOps = flag.Int("soak-ops", 1_000_000, "operations of the soak")
	soakFor = flag.Duration("soak-for", 40*time.Minute, "how long it may take; it then says how far it got")
)

// lossShare is the share of answers of Redis that get lost.
const lossShare = 0.002

// TestHistoriesHoldWhenProcessesDie is the short version of TestSoak, without its towns:
// rounds until every fault has been there.
func TestHistoriesHoldWhenProcessesDie(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			began := time.Now()
			b := besiege(t, seed, offers, 150*time.Millisecond)
			defer b.end()
			for n := uint64(0); !t.Failed(); n++ {
				b.play(t, seed+n, 120)
				if f := b.faults(); f.killed >= 3 && f.restarted >= 1 && f.paused >= 1 && f.promoted >= 1 {
					break
				}
				if time.Since(began) > 3*time.Minute {
					t.Fatalf("not every fault has happened within three minutes: %s", b.faults())
				}
			}
			t.Logf("first seed %d: %s", seed, b.faults())
		})
	}
}

// TestSoak plays rounds and towns in turn until the operations are done, half of them with
// offers. The engines that the clients call are processes that also work the due set; one
// of the three is killed every two seconds, Redis stops for a moment, is killed and started
// again, or gives way to its replica every few, and now and then its answer is lost.
func TestSoak(t *testing.T) {
	if !*soak {
		t.Skip("takes many minutes: run with -soak")
	}
	seed := uint64(time.Now().UnixNano())
	for _, offers := range []bool{false, true} {
		t.Run(fmt.Sprintf("offers=%t", offers), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			b := besiege(t, seed, offers, 2*time.Second)
			defer b.end()
			began, done, rounds := time.Now(), 0, uint64(0)
			for ; done < *soakOps/2 && time.Since(began) < *soakFor && !t.Failed(); rounds++ {
				if rounds%2 == 0 {
					done += b.play(t, seed+rounds, 1000)
				} else {
					done += b.playTown(t, seed+rounds, 1000)
				}
				if rounds%50 == 49 {
					t.Logf("seed %d: %d operations in %s, %s", seed+rounds, done, time.Since(began).Round(time.Second), b.faults())
				}
			}
			t.Logf("seeds %d to %d: %d operations in %s, %s", seed, seed+rounds-1, done, time.Since(began).Round(time.Second), b.faults())
		})
	}
}

// besieged is a Redis that keeps what it has acknowledged, its replica, and three engine
// processes on it, all of which die again and again.
type besieged struct {
	server  *redistest.Server
	replica *redistest.Server
	proxy   *faultproxy.Proxy // loses answers
	direct  *faultproxy.Proxy // loses none
	offers  bool
	engines []caller
	calm    sync.Mutex // held while something dies, or nothing may
	end     func()     // before the test's cleanups: they close what a fault may be busy with

	mu   sync.Mutex
	seen faults
}

// faults counts what has happened.
type faults struct{ killed, paused, restarted, promoted, lost int }

func (f faults) String() string {
	return fmt.Sprintf("%d processes killed, Redis paused %d times and killed %d times, a replica promoted %d times, %d replies lost",
		f.killed, f.paused, f.restarted, f.promoted, f.lost)
}

// besiege starts the processes, and kills one of them at every tick until end is called,
// which must be done. In every five ticks Redis is paused, killed, and replaced by its replica once.
func besiege(t *testing.T, seed uint64, offers bool, every time.Duration) *besieged {
	t.Helper()
	durable := []string{"--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"}
	b := &besieged{server: redistest.Start(t, durable...), replica: redistest.Start(t, durable...), offers: offers}
	b.proxy = faultproxy.New(t, b.server.Addr, lossShare, seed)
	b.direct = faultproxy.New(t, b.server.Addr, 0, seed)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	processes := make([]engineProcess, 3)
	b.end = func() {
		cancel()
		group.Wait()
		for _, p := range processes {
			p.kill()
		}
	}
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
			// A process must live long enough to take over the leases of those that died before
			// events are handed on.
			b.calm.Lock()
			processes[n%3].kill()
			start(n % 3)
			b.calm.Unlock()
			b.note(func(f *faults) { f.killed++ })
			switch n % 5 {
			case 0:
				b.promoteReplica(t)
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
	b.calm.Lock()
	defer b.calm.Unlock()
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

// promoteReplica kills Redis when its replica has everything that it has answered, and puts
// the replica in its place. The server that was killed is the next replica.
func (b *besieged) promoteReplica(t *testing.T) {
	b.calm.Lock()
	defer b.calm.Unlock()
	ctx := context.WithoutCancel(t.Context())
	primary, replica := b.server.Client(t), b.replica.Client(t)
	defer func() { _, _ = primary.Close(), replica.Close() }()
	host, port, err := net.SplitHostPort(b.server.Addr)
	if err == nil {
		err = replica.ReplicaOf(ctx, host, port).Err()
	}
	if err != nil {
		t.Errorf("follow the primary: %v", err)
		return
	}
	infoOf := func(c *redis.Client, name string) string {
		info, err := c.Info(ctx, "replication", "persistence").Result()
		if err != nil {
			return ""
		}
		_, rest, _ := strings.Cut(info, name+":")
		value, _, _ := strings.Cut(rest, "\r")
		return value
	}
	asynctest.Eventually(t, "the replica is there, and its file as well", func() bool {
		return infoOf(replica, "master_link_status") == "up" &&
			infoOf(replica, "aof_rewrite_in_progress") == "0" && infoOf(replica, "aof_rewrite_scheduled") == "0"
	})
	if err := primary.Do(ctx, "CLIENT", "PAUSE", "60000", "WRITE").Err(); err != nil {
		t.Errorf("hold writes: %v", err)
		return
	}
	asynctest.Eventually(t, "the replica has everything", func() bool {
		offset := infoOf(primary, "master_repl_offset")
		return offset != "" && infoOf(replica, "slave_repl_offset") == offset
	})
	b.server.Stop()
	if err := replica.ReplicaOf(ctx, "NO", "ONE").Err(); err != nil {
		t.Errorf("promote the replica: %v", err)
	}
	b.proxy.Retarget(b.replica.Addr)
	b.direct.Retarget(b.replica.Addr)
	b.server, b.replica = b.replica, b.server
	b.replica.Restart(t)
	b.note(func(f *faults) { f.promoted++ })
}

// play plays and checks a round, leaves Redis empty and returns how many operations
// there were.
func (b *besieged) play(t *testing.T, seed uint64, operations int) int {
	t.Helper()
	direct := redistest.ClientAt(t, b.direct.Addr)
	r := &round{t: t, engines: b.engines, offers: b.offers, emit: true, calm: &b.calm}
	r.play(direct, seed, operations)
	b.empty(t, direct)
	return len(r.history)
}

// playTown does the same with a town.
func (b *besieged) playTown(t *testing.T, seed uint64, operations int) int {
	t.Helper()
	direct := redistest.ClientAt(t, b.direct.Addr)
	c := &town{t: t, engines: b.engines, offers: b.offers, calm: &b.calm}
	c.play(direct, seed, operations)
	b.empty(t, direct)
	return c.operations
}

// empty forgets all rides and drivers.
func (b *besieged) empty(t *testing.T, direct *redis.Client) {
	t.Helper()
	b.calm.Lock()
	defer b.calm.Unlock()
	flush(t, direct)
}

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// gossipers are processes that gossip, each on a loopback address of its own.
type gossipers struct {
	all  []*process
	vars []env
}

// gossipEnv returns environments of n processes that gossip.
func gossipEnv(t *testing.T, n int, pairs ...string) []env {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	// Tests that run at once draw a block each, so that no port is taken in between.
	block, err := rand.Int(rand.Reader, big.NewInt(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) string {
		return fmt.Sprintf("127.%d.%d.%d:7946", 64+block.Int64()>>10, block.Int64()>>2&255, 1+i)
	}
	var all []env
	for i := range n {
		vars := settings(append([]string{"ADMIN_TOKEN", "s3cret", "FLEET_BIND", at(i), "FLEET_JOIN", at(0) + "," + at(1),
			"FLEET_KEY", base64.StdEncoding.EncodeToString(key)}, pairs...)...)
		all = append(all, vars)
	}
	return all
}

func startGossipers(t *testing.T, n int, pairs ...string) *gossipers {
	t.Helper()
	g := &gossipers{vars: gossipEnv(t, n, pairs...)}
	for _, vars := range g.vars {
		g.all = append(g.all, start(t, vars))
	}
	return g
}

type modeAnswer struct {
	Mode       string
	Generation int
	Reason     string
	Members    []struct {
		Name       string
		Generation int
	}
}

func (p *process) mode(t *testing.T) modeAnswer {
	t.Helper()
	return decode[modeAnswer](t, p.send(t, http.MethodGet, "/admin/mode", "", "Authorization", "Bearer s3cret"), http.StatusOK)
}

func (p *process) setMode(t *testing.T, mode, reason string) modeAnswer {
	t.Helper()
	body := fmt.Sprintf(`{"mode":%q,"reason":%q}`, mode, reason)
	return decode[modeAnswer](t, p.send(t, http.MethodPut, "/admin/mode", body, "Authorization", "Bearer s3cret", "Content-Type", "application/json"), http.StatusOK)
}

// await waits until every process knows the generation, and returns how long it took.
func (g *gossipers) await(t *testing.T, mode string, generation int) time.Duration {
	t.Helper()
	begin := time.Now()
	for _, p := range g.all {
		p.awaitMode(t, mode, generation)
	}
	return time.Since(begin)
}

// purge removes answers, and returns how long it took until no process had any of them.
func (g *gossipers) purge(t *testing.T, order, path string) time.Duration {
	t.Helper()
	begin := time.Now()
	if a := g.all[0].send(t, http.MethodPost, "/admin/purge", order, "Authorization", "Bearer s3cret", "Content-Type", "application/json"); a.Status != http.StatusNoContent {
		t.Fatalf("purge %s = %v", order, a)
	}
	for _, p := range g.all {
		eventually(t, patience, "the answer is gone", func() error {
			if a := p.get(t, path); a.Header.Get("X-Cache") != "MISS" {
				return fmt.Errorf("%v", a)
			}
			return nil
		})
	}
	return time.Since(begin)
}

func percentile(times []time.Duration, part float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// Five processes whose Redis is killed agree on every change of the mode, also those
// that join later, and give Redis what they know when it comes back empty.
func TestGossipWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	geocoder := upstreamtest.New(t)
	geocoder.SetAnswer(onePlace)
	g := startGossipers(t, 5, "REDIS_URL", "redis://"+redis.Addr, "UPSTREAMS", "nominatim+"+geocoder.URL)
	g.all[0].setMode(t, "cached_only", "before")
	g.await(t, "cached_only", 1)
	redis.Stop()

	changes := 10
	if *soak {
		changes = 100
	}
	var took []time.Duration
	generation := 1
	for i := range changes {
		generation++
		mode := []string{"normal", "cached_only", "read_only"}[i%3]
		if got := g.all[i%5].setMode(t, mode, fmt.Sprint("change ", i)); got.Generation != generation || got.Mode != mode {
			t.Fatalf("PUT /admin/mode = %+v, want generation %d", got, generation)
		}
		took = append(took, g.await(t, mode, generation))
	}
	t.Logf("%d changes: median %s, p99 %s", changes, percentile(took, 0.5), percentile(took, 0.99))
	if late := percentile(took, 0.99); *soak && late > time.Second {
		t.Errorf("99 of 100 changes were known to all within %s, want 1 s", late)
	}

	// So do purges, of everything and of one answer.
	g.all[0].setMode(t, "normal", "for purges")
	generation++
	g.await(t, "normal", generation)
	const path = "/search?q=vaduz&format=jsonv2"
	for _, order := range []string{`{"all":true}`, `{"query":"` + path + `"}`} {
		for i, p := range g.all {
			p.get(t, path)
			if a := p.get(t, path); a.Header.Get("X-Cache") != "HIT" {
				t.Errorf("process %d: %v, want a hit", i, a)
			}
		}
		t.Logf("purge %s: %s", order, g.purge(t, order, path))
	}

	// Two writers at once come to one value everywhere.
	var writers sync.WaitGroup
	for i, p := range g.all[:2] {
		writers.Go(func() {
			body := fmt.Sprintf(`{"mode":"normal","reason":"writer %d"}`, i)
			if a, err := p.do(t.Context(), http.MethodPut, "/admin/mode", body, "Authorization", "Bearer s3cret", "Content-Type", "application/json"); err != nil || a.Status != http.StatusOK {
				t.Errorf("writer %d: %v %v", i, a, err)
			}
		})
	}
	writers.Wait()
	eventually(t, patience, "all know one value", func() error {
		first := g.all[0].mode(t)
		for _, p := range g.all {
			if got := p.mode(t); got.Generation <= generation || got.Generation != first.Generation || got.Reason != first.Reason {
				return fmt.Errorf("%+v and %+v", first, got)
			}
			if len(first.Members) != 5 {
				return fmt.Errorf("members are %+v", first.Members)
			}
		}
		return nil
	})
	final := g.all[0].mode(t)

	// Who starts now knows it before they are ready, and a Redis that comes back empty
	// is told.
	late := g.vars[4]
	g.all[4].end(t)
	g.all[4] = start(t, late)
	if got := g.all[4].mode(t); got.Generation != final.Generation || got.Reason != final.Reason {
		t.Errorf("a process that starts now knows %+v, want %+v", got, final)
	}
	redis.Restart(t)
	eventually(t, patience, "Redis knows", func() error {
		got, err := redis.Client(t).HGet(t.Context(), "geogate:{fleet}:mode", "generation").Result()
		if err == nil && got != fmt.Sprint(final.Generation) {
			err = errors.New(got)
		}
		return err
	})
	killAll(g.all[1:]) // one of them stops as it should
}

// A process with another key neither learns the mode nor changes it.
func TestGossipWithAnotherKey(t *testing.T) {
	t.Parallel()
	vars := gossipEnv(t, 3)
	stranger := gossipEnv(t, 1)[0]
	vars[2]["FLEET_KEY"] = stranger["FLEET_KEY"]
	inside := &gossipers{all: []*process{start(t, vars[0]), start(t, vars[1])}}
	outside := start(t, vars[2])
	outside.setMode(t, "read_only", "of another key")
	inside.all[1].setMode(t, "cached_only", "of ours")
	inside.await(t, "cached_only", 1)
	if got := outside.mode(t); got.Reason != "of another key" || len(got.Members) != 1 {
		t.Errorf("the process with another key knows %+v", got)
	}
	for _, p := range inside.all {
		if got := p.mode(t); got.Reason != "of ours" || len(got.Members) != 2 {
			t.Errorf("a process inside knows %+v", got)
		}
	}
}

// A process that is stopped for a while is not ready until it has caught up.
func TestGossipAfterAStop(t *testing.T) {
	t.Parallel()
	if !*soak {
		t.Skip("takes a minute: a process is stopped for longer than others remember it; with -soak")
	}
	g := startGossipers(t, 3)
	sleeper := g.all[2]
	if err := sleeper.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	wake := time.After(35 * time.Second)
	g.all = g.all[:2]
	g.all[0].setMode(t, "cached_only", "meanwhile")
	g.await(t, "cached_only", 1)
	<-wake
	if err := sleeper.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "it is ready", func() error {
		a, err := sleeper.do(t.Context(), http.MethodGet, "/readyz", "")
		if err == nil && a.Status != http.StatusOK {
			err = errors.New(string(a.Body))
		}
		return err
	})
	if got := sleeper.mode(t); got.Mode != "cached_only" || got.Generation != 1 {
		t.Errorf("the process that was stopped is ready and knows %+v", got)
	}
}

// Without gossip, Redis alone carries the mode: not while it is down, and through a
// restart of everything.
func TestFleetOverRedisAlone(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	vars := settings("ADMIN_TOKEN", "s3cret", "REDIS_URL", "redis://"+redis.Addr)
	alone := &gossipers{}
	for range 5 {
		alone.all = append(alone.all, start(t, vars))
	}
	alone.all[1].setMode(t, "cached_only", "by Redis")
	t.Logf("known to all after %s", alone.await(t, "cached_only", 1))
	killAll(alone.all)
	for i := range alone.all {
		alone.all[i] = start(t, vars)
	}
	for i, p := range alone.all {
		if got := p.mode(t); got.Mode != "cached_only" || got.Generation != 1 {
			t.Errorf("process %d knows %+v after the restart", i, got)
		}
	}
	redis.Stop()
	for _, order := range []struct{ method, path, body string }{
		{http.MethodPut, "/admin/mode", `{"mode":"normal"}`},
		{http.MethodPost, "/admin/purge", `{"all":true}`},
	} {
		a := alone.all[0].send(t, order.method, order.path, order.body, "Authorization", "Bearer s3cret", "Content-Type", "application/json")
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), `"redis_unavailable"`) {
			t.Errorf("%s %s without Redis = %v, want 503 redis_unavailable", order.method, order.path, a)
		}
	}
	killAll(alone.all)
}

// killAll ends processes at once, as a crash would.
func killAll(all []*process) {
	for _, p := range all {
		p.kill()
	}
}

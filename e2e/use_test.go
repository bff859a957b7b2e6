package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// use is what GET /admin/keys tells of a key, and what the access log does.
type use struct {
	Requests  int `json:"requests"`
	CacheHits int `json:"cache_hits"`
}

const adminBearer = "Bearer s3cret"

// logged adds up the access log of p for a key: all of it, and what was answered
// before a time.
func (p *process) logged(tb testing.TB, key string, before time.Time) (all, early use) {
	tb.Helper()
	for text := range strings.Lines(p.Stdout.String() + p.Stderr.String()) {
		var line struct {
			Key, Cache string
			Time       time.Time
		}
		if json.Unmarshal([]byte(text), &line) != nil || line.Key != key {
			continue
		}
		for _, u := range []struct {
			*use
			counts bool
		}{{&all, true}, {&early, line.Time.Before(before)}} {
			if !u.counts {
				continue
			}
			u.Requests++
			if line.Cache == "HIT" || line.Cache == "STALE" {
				u.CacheHits++
			}
		}
	}
	return all, early
}

// busyWithKey starts a geogate and keeps it busy with requests of one key, good and
// bad, until it is gone and wait returns. other shares its Redis.
func busyWithKey(t *testing.T) (busy, other *process, id string, wait func()) {
	t.Helper()
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ADMIN_TOKEN", "s3cret", "LOG_FORMAT", "json", "ANONYMOUS", "geocode",
		"UPSTREAMS", "nominatim+"+upstreamtest.New(t).URL)
	busy, other = start(t, vars), start(t, vars)
	made := decode[struct{ ID, Key string }](t, other.post(t, "/admin/keys", `{"role":"driver","subject":"7","rate":"0"}`, "Authorization", adminBearer), http.StatusCreated)
	var clients sync.WaitGroup
	for n := range 3 {
		clients.Go(func() {
			for busy.running() {
				for _, line := range []string{"GET " + cachedQuery, "GET /api?q=vaduz", "POST /tracking", "GET /admin/keys", "GET /v2/drivers/8"}[n:] {
					method, target, _ := strings.Cut(line, " ")
					body := map[string]string{"POST": `{"lat":1,"lng":1}`}[method]
					_, _ = busy.do(t.Context(), method, target, body, "Authorization", "Bearer "+made.Key) // it is going to end
				}
			}
		})
	}
	return busy, other, made.ID, clients.Wait
}

// used is what a geogate tells of the use of a key today.
func (p *process) used(tb testing.TB, id string) use {
	tb.Helper()
	list := decode[struct {
		Keys []struct {
			ID    string
			Today use
		}
	}](tb, p.get(tb, "/admin/keys", "Authorization", adminBearer), http.StatusOK)
	for _, k := range list.Keys {
		if k.ID == id {
			return k.Today
		}
	}
	tb.Fatalf("no key %s in %+v", id, list)
	return use{}
}

// What a key is told to have used is what the access log says, to the request, though
// the process was stopped in the middle of it.
func TestUseOfKeysIsThatOfTheLog(t *testing.T) {
	t.Parallel()
	busy, other, id, wait := busyWithKey(t)
	eventually(t, patience, "some hundred requests", func() error {
		if all, _ := busy.logged(t, id, time.Time{}); all.Requests < 300 || all.CacheHits < 50 {
			return errors.New("too few")
		}
		return nil
	})
	busy.stop(t)
	wait()
	want, _ := busy.logged(t, id, time.Time{})
	if got := other.used(t, id); got != want {
		t.Errorf("used %+v, the log says %+v", got, want)
	}
}

// A process that is killed takes the use of its last five seconds with it, and no
// more.
func TestKilledProcessLosesLittleUse(t *testing.T) {
	t.Parallel()
	for attempt := 1; ; attempt++ {
		got, early := usedWhenKilled(t)
		if got.Requests >= early.Requests && got.CacheHits >= early.CacheHits {
			return
		}
		if attempt == 3 { // a machine that stands still notes no use either
			t.Fatalf("used %+v, want at least %+v", got, early)
		}
	}
}

// usedWhenKilled is what a key is told to have used of a process that was killed, and what
// it had used five seconds before that.
func usedWhenKilled(t *testing.T) (got, early use) {
	t.Helper()
	busy, other, id, wait := busyWithKey(t)
	eventually(t, patience, "requests of more than five seconds", func() error {
		if _, early = busy.logged(t, id, time.Now().Add(-6*time.Second)); early.Requests < 50 {
			return errors.New("too few")
		}
		return nil
	})
	killed := time.Now()
	busy.kill()
	wait()
	all, early := busy.logged(t, id, killed.Add(-5*time.Second))
	got = other.used(t, id)
	t.Logf("used %+v; the log says %+v, %+v of it up to five seconds before the end", got, all, early)
	return got, early
}

package lease_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/lease"
	"geogate/internal/redistest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

const key = "geogate:{test}:lease"

func taken(t *testing.T, l *lease.Lease) bool {
	t.Helper()
	held, err := l.Take(t.Context())
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return held
}

func TestOneHolderAtATime(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		a := lease.New(rdb, key, "a", time.Minute)
		b := lease.New(rdb, key, "b", time.Minute)
		if !taken(t, a) {
			t.Error("nobody holds the lease, and a does not get it")
		}
		if taken(t, b) {
			t.Error("b gets the lease that a holds")
		}
		if !taken(t, a) {
			t.Error("a cannot renew its lease")
		}
		if err := b.Return(t.Context()); err != nil {
			t.Fatal(err)
		}
		if taken(t, b) {
			t.Error("b gave back the lease that a holds")
		}
		if err := a.Return(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !taken(t, b) {
			t.Error("b does not get the lease that a gave back")
		}
	})
}

func TestLeaseLapses(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	a := lease.New(rdb, key, "a", time.Minute)
	b := lease.New(rdb, key, "b", time.Minute)
	if !taken(t, a) || taken(t, b) {
		t.Fatal("a does not hold the lease")
	}
	a = lease.New(rdb, key, "a", 100*time.Millisecond)
	if !taken(t, a) {
		t.Fatal("a cannot renew its lease for a shorter time")
	}
	asynctest.Eventually(t, "lease lapses", func() bool { return taken(t, b) })
	if taken(t, a) {
		t.Error("a renewed a lease that b had taken over")
	}
}

func TestLeaseWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	l := lease.New(s.Client(t), key, "a", time.Minute)
	s.Stop()
	if held, err := l.Take(t.Context()); held || err == nil {
		t.Errorf("Take without Redis = %v, %v, want an error", held, err)
	}
	if err := l.Return(t.Context()); err == nil {
		t.Error("Return without Redis: no error")
	}
}

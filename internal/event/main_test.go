package event_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"geogate/internal/embedded"
	"geogate/internal/event"
	"geogate/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEachStore runs a test against a real redis-server, one in cluster mode, and the
// built-in one.
func onEachStore(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, redistest.Start(t).Client(t))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		test(t, clusterClient(t))
	})
	t.Run("built-in", func(t *testing.T) {
		t.Parallel()
		server := embedded.New()
		t.Cleanup(server.Close)
		client := server.Client(redis.Options{ContextTimeoutEnabled: true, DisableIdentity: true})
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
}

// clusterClient returns a client of a cluster of one server: it refuses scripts that
// reach across slots as a larger one would.
func clusterClient(t *testing.T) redis.UniversalClient {
	t.Helper()
	s := redistest.Start(t, "--cluster-enabled", "yes")
	single := s.Client(t)
	if err := single.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.Addr}, ContextTimeoutEnabled: true, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	eventually(t, "cluster is up", func() bool {
		info, err := single.ClusterInfo(context.Background()).Result()
		return err == nil && len(info) > 0 && client.Set(context.Background(), "probe", 1, time.Second).Err() == nil
	})
	return client
}

// background runs a part until stop is called or the test ends.
func background(t testing.TB, part func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := part(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() {
		cancel()
		group.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func publish(t testing.TB, l *event.Log, p event.Publication) string {
	t.Helper()
	if p.Data == nil {
		p.Data = []byte(`{}`)
	}
	id, _, err := l.Publish(context.Background(), p)
	if err != nil {
		t.Fatalf("Publish(%+v): %v", p, err)
	}
	return id
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

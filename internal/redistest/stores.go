package redistest

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/embedded"
)

// OnEachStore runs a test on everything that a package may find behind its
// client: a redis-server, one in cluster mode, and the built-in Redis. The three
// run in parallel.
func OnEachStore(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t).Client(t))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		test(t, clusterOfOne(t))
	})
	t.Run("built-in", func(t *testing.T) {
		t.Parallel()
		test(t, BuiltIn(t))
	})
}

// BuiltIn returns a client of a built-in Redis; both end with the test.
func BuiltIn(tb testing.TB) *redis.Client {
	tb.Helper()
	server := embedded.New()
	tb.Cleanup(server.Close)
	client := server.Client(redis.Options{ContextTimeoutEnabled: true, DisableIdentity: true})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// clusterOfOne returns a client of a cluster of one server: it refuses scripts
// that reach across slots as a larger one would.
func clusterOfOne(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	s := shelfOfOnes.borrow(tb, func(tb testing.TB) *Server {
		tb.Helper()
		s := Start(tb, "--cluster-enabled", "yes")
		if err := s.Client(tb).ClusterAddSlotsRange(tb.Context(), 0, clusterSlots-1).Err(); err != nil {
			tb.Fatal(err)
		}
		return s
	})
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.Addr}, ContextTimeoutEnabled: true, DisableIdentity: true})
	tb.Cleanup(func() { _ = client.Close() })
	asynctest.Eventually(tb, "cluster is up", func() bool {
		return client.Set(context.Background(), "probe", 1, time.Second).Err() == nil
	})
	return client
}

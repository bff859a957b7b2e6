package redistest

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

// A server in cluster mode serves two seconds after its start at the earliest. So those
// that tests neither stop nor reconfigure go from test to test, emptied.
var (
	shelfOfOnes     shelf[*Server]
	shelfOfClusters shelf[*Cluster]
)

// BorrowCluster is StartCluster for a test that does no more than read and write.
func BorrowCluster(tb testing.TB) *Cluster {
	tb.Helper()
	return shelfOfClusters.borrow(tb, func(tb testing.TB) *Cluster { tb.Helper(); return StartCluster(tb) })
}

type shelf[T interface{ empty() error }] struct {
	mu   sync.Mutex
	idle []T
}

// borrow returns something idle, or starts another one, and takes it back when the test
// ends.
func (s *shelf[T]) borrow(tb testing.TB, start func(testing.TB) T) T {
	tb.Helper()
	item, found := s.take()
	if !found {
		item = start(lasting{tb})
	}
	tb.Cleanup(func() {
		if err := item.empty(); err != nil {
			tb.Errorf("empty a redis-server for the next test: %v", err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle = append(s.idle, item)
	})
	return item
}

func (s *shelf[T]) take() (item T, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.idle) - 1
	if last < 0 {
		return item, false
	}
	item, s.idle = s.idle[last], s.idle[:last]
	return item, true
}

// empty removes all that a test may have left in the server.
func (s *Server) empty() error {
	client := redis.NewClient(&redis.Options{Addr: s.Addr, DisableIdentity: true})
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	return errors.Join(client.FlushAll(ctx).Err(), client.ScriptFlush(ctx).Err(), client.ConfigResetStat(ctx).Err())
}

func (c *Cluster) empty() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.empty())
	}
	return errors.Join(errs...)
}

// lasting is a test for whom what it starts ends with the package.
type lasting struct{ testing.TB }

func (lasting) Cleanup(f func())         { asynctest.AtEnd(f) }
func (lasting) Context() context.Context { return context.Background() }

func (l lasting) TempDir() string {
	l.Helper()
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

package cache

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

// Who has no time does not wait for a fill that has, in whichever process that
// is; and who has time shares fills with his like.
func TestOnlyThePatientWaitForThePatient(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(tb testing.TB) redis.UniversalClient) {
		caches := fleet(t, 2, client, Config{Memory: 1 << 20})
		for _, other := range caches {
			key := fmt.Sprintf("k%p", other)
			var batch, people atomic.Int64
			queued := make(chan struct{})
			slow := func(ctx context.Context, _ Purpose) (Entry, error) {
				batch.Add(1)
				select {
				case <-queued:
					return answer("of the batch"), nil
				case <-ctx.Done():
					return Entry{}, ctx.Err()
				}
			}
			var waiting sync.WaitGroup
			for _, c := range caches {
				waiting.Go(func() { _, _ = c.Get(context.Background(), key, Directives{Patient: true}, slow) })
			}
			asynctest.Eventually(t, "a fill of the batch waits", func() bool { return batch.Load() == 1 })

			r := get(t, other, key, Directives{}, counted(&people))
			want(t, r, Miss, "", "call 1")
			close(queued)
			waiting.Wait()
			if batch.Load() != 1 || people.Load() != 1 {
				t.Errorf("%d fills of the batch, %d of people, want one each", batch.Load(), people.Load())
			}
		}
	})
}

// A batch takes what people have asked for, also while it is being obtained.
func TestThePatientJoinOthers(t *testing.T) {
	overRedis(t, func(t *testing.T, client func(tb testing.TB) redis.UniversalClient) {
		c := fleet(t, 1, client, Config{Memory: 1 << 20})[0]
		var calls atomic.Int64
		fill := slowly(&calls, 200*time.Millisecond)
		var people sync.WaitGroup
		people.Go(func() { get(t, c, "k", Directives{}, fill) })
		asynctest.Eventually(t, "the fill has begun", func() bool { return calls.Load() == 1 })
		if r := get(t, c, "k", Directives{Patient: true}, neverFill(t)); string(r.Body) != "call 1" || !r.Collapsed {
			t.Errorf("%s %q, collapsed %v, want the answer of the other call", r.Class, r.Body, r.Collapsed)
		}
		people.Wait()
		want(t, get(t, c, "k", Directives{Patient: true}, neverFill(t)), Hit, LayerMemory, "call 1")
	})
}

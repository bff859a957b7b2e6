package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

// mostConnections is the promise of docs/deploy.md: what one process keeps open to
// one Redis server, subscriptions included. Plans of hosting companies count
// connections; the smallest of Heroku has 20, for two processes.
const mostConnections = 12

// TestConnectionsToRedis counts the connections of a process at the server, while
// everything that talks to Redis happens at once.
func TestConnectionsToRedis(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		countConnections(t, "redis://"+server.Addr, server)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		url := "redis://" + cluster.Nodes[0].Addr + "?addr=" + cluster.Nodes[1].Addr
		countConnections(t, url, cluster.Nodes...)
	})
}

func countConnections(t *testing.T, url string, nodes ...*redistest.Server) {
	t.Helper()
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	// What the test itself has open, from setting up a cluster and to count.
	counts, own := make([]*redis.Client, len(nodes)), make([]int, len(nodes))
	for i, n := range nodes {
		counts[i] = n.Client(t, func(o *redis.Options) { o.PoolSize, o.PipelinePoolSize = 1, -1 })
		own[i] = strings.Count(counts[i].ClientList(t.Context()).Val(), "\n")
	}
	g := start(t, settings("REDIS_URL", url, "UPSTREAMS", "nominatim+"+upstream.URL+"#concurrency=64",
		"DISPATCH_INTERVAL", "100ms", "CACHE_MEMORY", "64KiB"))

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var done, streams atomic.Int64
	var load sync.WaitGroup
	keepAt := func(workers int, request func(worker, n int) call, header ...string) {
		for worker := range workers {
			load.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					c := request(worker, n)
					if a, err := g.do(ctx, c.method, c.path, c.body, header...); err == nil && a.Status < 300 {
						done.Add(1)
					}
				}
			})
		}
	}
	keepAt(8, func(int, int) call { return call{http.MethodGet, "/search?q=Vaduz", ""} })
	keepAt(16, func(w, n int) call { return call{http.MethodGet, fmt.Sprintf("/search?q=Place+%d+%d", w, n), ""} })
	keepAt(16, func(w, n int) call {
		return call{http.MethodPost, "/tracking", fmt.Sprintf(`[{"id":"%d","lat":%v,"lng":%v},{"id":"b%d","lat":1,"lng":%d}]`, w, driverLat, driverLng, w, n%100)}
	})
	keepAt(8, func(int, int) call { return call{http.MethodPost, "/v2/search", riderPosition} })
	keepAt(4, func(_, n int) call {
		return call{http.MethodPost, "/events", fmt.Sprintf(`{"type":"test.count","data":{"n":%d}}`, n)}
	})
	keepAt(2, func(w, n int) call {
		return call{http.MethodPost, "/v2/jobs", fmt.Sprintf("address\nRow %d %d %s", w, n, strings.Join(numberedRows(50), "\nRow "))}
	}, "Content-Type", "text/csv")
	ride := g.requestRide(t)
	for range 20 {
		for _, path := range []string{"/events/stream", "/v2/requests/" + ride.RequestID + "/events"} {
			load.Go(func() {
				streams.Add(1)
				_, _ = g.do(ctx, http.MethodGet, path, "")
			})
		}
	}

	// For four seconds, and on a slow machine until there was a load.
	most, before := make([]int, len(nodes)), make([]int, len(nodes))
	kinds := make([]string, len(nodes))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 4*time.Second || done.Load() < 500 && time.Since(began) < patience; {
		for i, client := range counts {
			list, err := client.ClientList(t.Context()).Result()
			if err != nil {
				t.Fatal(err)
			}
			// One that geogate has closed may be listed until Redis has heard of it: what was
			// there twice in a row counts.
			n := strings.Count(list, "\n") - own[i]
			if min(n, before[i]) > most[i] {
				most[i], kinds[i] = min(n, before[i]), list
			}
			before[i] = n
		}
		<-tick.C
	}
	stop()
	load.Wait()
	t.Logf("at most %d connections at each node, under %d requests and %d streams", most, done.Load(), streams.Load())
	if done.Load() < 500 {
		t.Errorf("%d requests succeeded, that is no load", done.Load())
	}
	for i, n := range most {
		if n > mostConnections || n < 2 {
			t.Errorf("%d connections at node %d, want %d at most:\n%s", n, i, mostConnections, kinds[i])
		}
	}
}

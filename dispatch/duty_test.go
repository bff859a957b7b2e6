package dispatch_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// scriptsRun is how many scripts a server has run.
func scriptsRun(t *testing.T, rdb *redis.Client) int {
	t.Helper()
	info, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(info) {
		for _, name := range []string{"cmdstat_evalsha:calls=", "cmdstat_eval:calls="} {
			if rest, found := strings.CutPrefix(line, name); found {
				calls, _, _ := strings.Cut(rest, ",")
				n, err := strconv.Atoi(calls)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
		}
	}
	return sum
}

// onDuty is how many regions each process works.
func onDuty(t *testing.T, rdb redis.UniversalClient) map[string]int {
	t.Helper()
	all, err := rdb.HGetAll(t.Context(), "geogate:duty").Result()
	if err != nil {
		t.Fatal(err)
	}
	regions := make(map[string]int)
	for field, value := range all {
		if strings.HasPrefix(field, "region ") {
			_, worker, _ := strings.Cut(value, " ")
			regions[worker]++
		}
	}
	return regions
}

// most is what all processes together may send at rest, whatever their number.
const most = 150 // scripts a second for 22 regions

func TestIdleWorkDoesNotGrow(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	cfg := dispatch.Config{Emit: func(context.Context, []dispatch.Event) error { return nil }}
	for i := range 22 {
		cfg.Regions = append(cfg.Regions, fmt.Sprint("city", i))
	}
	run(t, dispatch.New(server.Client(t), cfg), dispatch.New(server.Client(t), cfg), dispatch.New(server.Client(t), cfg))
	asynctest.Eventually(t, "each region is worked by one of three processes", func() bool {
		shares := onDuty(t, rdb)
		sum := 0
		for _, n := range shares {
			sum += n
		}
		return len(shares) == 3 && sum == len(cfg.Regions)
	})
	now := func() time.Time {
		at, err := rdb.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	// Who had more regions before has given them up by now or will within a second; the
	// seconds after are at rest.
	var began time.Time
	settled := now().Add(1500 * time.Millisecond)
	asynctest.Eventually(t, "rest", func() bool { began = now(); return began.After(settled) })
	before := scriptsRun(t, rdb)
	var took time.Duration
	asynctest.Eventually(t, "three seconds of rest", func() bool { took = now().Sub(began); return took > 3*time.Second })
	rate := float64(scriptsRun(t, rdb)-before) / took.Seconds()
	t.Logf("%.0f scripts a second for 22 regions by three processes", rate)
	if rate > most || rate < 1 {
		t.Errorf("%.0f scripts a second at rest, want some and at most %d", rate, most)
	}
}

// A process that stops gives its regions up at once, one that dies when its share lapses.
func TestRegionsAreTakenOver(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		cfg := dispatch.Config{Regions: []string{"a", "b", "c", "d"}}
		shares := func(want ...int) {
			t.Helper()
			asynctest.Eventually(t, fmt.Sprintf("shares are %v", want), func() bool {
				got := onDuty(t, rdb)
				sum := 0
				for _, n := range got {
					sum += n
				}
				return len(got) == len(want) && sum == 4
			})
		}
		// Somebody died with all regions.
		lapse := time.Now().Add(time.Second).UnixMilli()
		dead := []any{"worker dead", lapse}
		for _, region := range cfg.Regions {
			dead = append(dead, "region "+region, fmt.Sprint(lapse, " dead"))
		}
		if err := rdb.HSet(t.Context(), "geogate:duty", dead...).Err(); err != nil {
			t.Fatal(err)
		}
		run(t, dispatch.New(rdb, cfg))
		asynctest.Eventually(t, "the dead one's regions are taken over", func() bool {
			got := onDuty(t, rdb)
			return got["dead"] == 0 && len(got) == 1
		})
		stop := run(t, dispatch.New(rdb, cfg))
		shares(2, 2)
		stop()
		shares(4)
	})
}

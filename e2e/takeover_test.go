package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/redistest"
)

// leaseTime is how long a dead process keeps what it had in hand.
const leaseTime = 5 * time.Second

// TestTakeover ends one of two processes while a thousand rides search, all of them
// asked for at that process. What the other one does is read in Redis: asking it for
// a ride would make it look at the ride.
func TestTakeover(t *testing.T) {
	tests := []struct {
		name   string
		end    func(t *testing.T, rdb *redis.Client, gone, heir *process)
		within time.Duration
	}{
		{"told to stop", func(t *testing.T, _ *redis.Client, gone, _ *process) { gone.stop(t) }, 10 * time.Second},
		{"killed", killAtWork, leaseTime + 10*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const rides, timeout = 300, 30 * time.Second
			server := redistest.Start(t)
			rdb := server.Client(t)
			vars := settings("REDIS_URL", "redis://"+server.Addr, "DISPATCH_INTERVAL", "1s", "DISPATCH_TIMEOUT", timeout.String())
			gone, heir := start(t, vars), start(t, vars)
			ids := requestRides(t, []*process{gone}, rides)
			asked := time.Now()

			tt.end(t, rdb, gone, heir)
			ended := time.Now()
			before := dueTimes(t, rdb)
			if len(before) != rides {
				t.Errorf("%d rides are to be looked at, want all %d", len(before), rides)
			}
			// Each attempt files its ride anew. The score is in milliseconds.
			eventually(t, tt.within, "the other process tries every ride", func() error {
				now, waiting := dueTimes(t, rdb), 0
				for id, at := range before {
					if now[id] == at {
						waiting++
					}
				}
				if waiting > 0 {
					return fmt.Errorf("%d are still as they were", waiting)
				}
				return nil
			})
			t.Logf("all tried anew %s after the end", time.Since(ended).Round(time.Millisecond))

			eventually(t, time.Until(asked.Add(timeout+20*time.Second)), "every ride expires in time", func() error {
				expired, err := rdb.HGet(t.Context(), "geogate:{default}:counts", "ride.expired").Int()
				if err == nil && expired != rides {
					err = fmt.Errorf("%d have", expired)
				}
				return err
			})
			for _, id := range ids {
				if r := heir.ride(t, id); r.State != "expired" {
					t.Errorf("ride %+v, want it expired", r)
				}
			}
		})
	}
}

// killAtWork kills a process that has rides in hand, which nobody else may touch
// before its lease lapses.
func killAtWork(t *testing.T, rdb *redis.Client, gone, heir *process) {
	t.Helper()
	heir.signal(t, syscall.SIGSTOP) // so that what is leased from now on is leased to the other
	paused := time.Now()
	looks := 0
	eventually(t, 15*time.Second, "a process is caught with rides in hand", func() error {
		if looks++; looks == 1 {
			gone.signal(t, syscall.SIGSTOP)
		}
		if looks < 10 { // what it has sent already still takes effect
			return errors.New("it has just been stopped")
		}
		now, err := rdb.Time(t.Context()).Result()
		if err != nil {
			return err
		}
		held, lately := 0, float64(now.Add(leaseTime-time.Second).UnixMilli())
		for _, at := range dueTimes(t, rdb) {
			if at > lately {
				held++
			}
		}
		if held > 0 && time.Since(paused) > 2*time.Second {
			t.Logf("killed with %d rides in hand", held)
			return nil
		}
		gone.signal(t, syscall.SIGCONT)
		looks = 0
		return errors.New("it has none")
	})
	gone.kill()
	heir.signal(t, syscall.SIGCONT)
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal geogate: %v", err)
	}
}

// dueTimes returns when, in milliseconds of Redis, each live ride is due.
func dueTimes(t *testing.T, rdb *redis.Client) map[string]float64 {
	t.Helper()
	due, err := rdb.ZRangeWithScores(t.Context(), "geogate:{default}:due", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]float64, len(due))
	for _, z := range due {
		times[z.Member.(string)] = z.Score
	}
	return times
}

// requestRides asks for n rides at once, of the processes in turn, and returns their ids.
func requestRides(t *testing.T, processes []*process, n int) []string {
	t.Helper()
	ids, errs := make([]string, n), make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for i := range next {
				ids[i], errs[i] = processes[i%len(processes)].tryRequest(t.Context())
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func (p *process) tryRequest(ctx context.Context) (string, error) {
	a, err := p.do(ctx, http.MethodPost, "/v2/search", riderPosition)
	if err != nil {
		return "", err
	}
	r, err := rideOf(a)
	return r.RequestID, err
}

// TestHundredRidersTenDrivers lets a hundred riders ask three processes for ten
// drivers, half of whom come only while the riders wait.
func TestHundredRidersTenDrivers(t *testing.T) {
	t.Parallel()
	const riders, drivers = 100, 10
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "DISPATCH_INTERVAL", "200ms", "DISPATCH_TIMEOUT", "5s")
	processes := []*process{start(t, vars), start(t, vars), start(t, vars)}
	arrive := func(from, to int) {
		for i := from; i < to; i++ {
			processes[i%3].track(t, strconv.Itoa(i), driverLat+float64(i)*0.0001, driverLng)
		}
	}
	arrive(0, drivers/2)
	ids := requestRides(t, processes, riders)
	arrive(drivers/2, drivers)

	rideOf, expired := make(map[string]string), 0
	for i, id := range ids {
		r := processes[(i+1)%3].awaitState(t, id, "matched", "expired")
		switch driver := r.driverID(); {
		case r.State == "expired" && driver == "":
			expired++
		case r.State == "matched" && driver != "" && rideOf[driver] == "":
			rideOf[driver] = id
		default:
			t.Errorf("ride %+v; driver %q has ride %q", r, driver, rideOf[driver])
		}
	}
	if len(rideOf) != drivers || expired != riders-drivers {
		t.Errorf("%d drivers have a ride and %d rides have expired, want %d and %d", len(rideOf), expired, drivers, riders-drivers)
	}
}

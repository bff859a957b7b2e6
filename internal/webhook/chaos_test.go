package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/event"
	"geogate/internal/redistest"
	"geogate/internal/webhook"
)

// workerRedis, in the environment, makes this binary a process that does nothing but
// send: it exists to be killed.
const workerRedis = "GEOGATE_TEST_WORKER_REDIS"

func chaosConfig() webhook.Config {
	return webhook.Config{
		Retries: webhook.Schedule{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond},
		Timeout: time.Second,
		// A busy machine that stalls for longer than this short schedule must not pass for
		// an endpoint that only ever fails.
		DisableAfter: 1 << 30,
	}
}

func runWorker() int {
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv(workerRedis), ContextTimeoutEnabled: true, DisableIdentity: true})
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	events := event.New(rdb, event.Config{})
	go func() { _ = events.Run(context.Background()) }()
	_ = webhook.NewSender(rdb, events, guard, chaosConfig()).Run(context.Background())
	return 0
}

// worker is a process that sends, until it is killed.
type worker struct{ cmd *exec.Cmd }

func startWorker(t *testing.T, addr string) *worker {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{exec.Command(self)}
	w.cmd.Env = append(os.Environ(), workerRedis+"="+addr)
	w.cmd.SysProcAttr = asynctest.Child()
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}

// Two processes send to an endpoint that fails three times in ten and hangs one time
// in twenty, and one of them is killed every few seconds. Each event is delivered at
// least once or is a dead letter.
func TestKilledProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	n, period := 400, 2*time.Second
	if *long {
		n, period = 100_000, 10*time.Second
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	roll := func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return dice.Float64()
	}
	server := redistest.Start(t)
	rdb := server.Client(t)
	delivered := map[string]int{}
	var calls atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request, got received) {
		calls.Add(1)
		switch p := roll(); {
		case p < 0.05:
			hang(w, req, got)
		case p < 0.35:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			mu.Lock()
			delivered[got.id]++
			mu.Unlock()
		}
	})
	r.forget = true
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	h := &house{Registry: webhook.NewRegistry(rdb, guard, chaosConfig()), events: event.New(rdb, event.Config{})}
	s := h.subscribe(t, r)

	workers := []*worker{startWorker(t, server.Addr), startWorker(t, server.Addr)}
	t.Cleanup(func() {
		for _, w := range workers {
			w.kill()
		}
	})
	started := time.Now()
	var published []string
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := range n {
			subject := ""
			if i%2 == 0 {
				subject = fmt.Sprint("ride:", i%500)
			}
			published = append(published, h.publish(t, "request.matched", subject, i))
		}
	})
	kills := 0
	tick := time.NewTicker(period)
	defer tick.Stop()
	deadline := time.After(max(5*time.Minute, time.Duration(n)*10*time.Millisecond))
	for settled := false; !settled; {
		select {
		case <-tick.C:
			workers[kills%2].kill()
			workers[kills%2] = startWorker(t, server.Addr)
			kills++
		case <-deadline:
			t.Fatalf("not settled in time: %+v", h.subscriber(t, s.ID))
		}
		got := h.subscriber(t, s.ID)
		settled = got.Pending == 0 && got.Delivered+got.Dead >= int64(n)
	}
	publishing.Wait()
	dead, err := rdb.ZRange(t.Context(), event.Prefix+"dead:"+s.ID, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, id := range published {
		if delivered[id] == 0 && !slices.Contains(dead, id) {
			t.Errorf("%s was neither delivered nor is it a dead letter", id)
		}
		if delivered[id] > 1 {
			twice++
		}
	}
	t.Logf("%d events, %d calls, %d kills in %s: %d delivered, %d of them more than once, %d dead letters",
		n, calls.Load(), kills, time.Since(started).Round(time.Second), len(delivered), twice, len(dead))
}

// losesAnswers is a network that carries out a command and drops its answer.
type losesAnswers struct {
	redis.Hook
	n atomic.Int64
}

var errLost = errors.New("answer lost")

func (l *losesAnswers) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *losesAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (l *losesAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && strings.HasPrefix(cmd.Name(), "evalsha") && l.n.Add(1)%3 == 0 {
			cmd.SetErr(errLost)
			return errLost
		}
		return err
	}
}

// A turn whose answer is lost took deliveries with it. They come again with the next
// turn: nothing waits for a lease to lapse.
func TestLostAnswersDelayNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	flaky := s.Client(t)
	flaky.AddHook(&losesAnswers{})
	cfg := quick()
	guard := webhook.NewGuard(webhook.GuardConfig{Open: loopback})
	t.Cleanup(guard.Close)
	rdb := s.Client(t)
	h := &house{Registry: webhook.NewRegistry(rdb, guard, cfg), events: event.New(rdb, event.Config{})}
	asynctest.Background(t, h.events.Run)
	asynctest.Background(t, webhook.NewSender(flaky, h.events, guard, cfg).Run)
	r := newReceiver(t, status(http.StatusOK))
	sub := h.subscribe(t, r)
	const n = 200
	for i := range n {
		h.publish(t, "a", fmt.Sprint("ride:", i%50), i)
	}
	asynctest.Eventually(t, "all delivered", func() bool { return h.subscriber(t, sub.ID).Delivered == n })
	if got := h.subscriber(t, sub.ID); got.Failed != 0 || got.Pending != 0 {
		t.Errorf("Subscriber = %+v", got)
	}
}

// Redis being away stops deliveries and nothing else; they go on when it is back.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	h := newHouse(t, s.Client(t), quick())
	r := newReceiver(t, status(http.StatusOK))
	sub := h.subscribe(t, r)
	h.publish(t, "a", "", 1)
	asynctest.Eventually(t, "first event", func() bool { return h.subscriber(t, sub.ID).Delivered == 1 })
	s.Pause(t)
	if _, err := h.List(t.Context()); !errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("List: %v, want ErrUnavailable", err)
	}
	s.Resume(t)
	h.publish(t, "a", "", 2)
	asynctest.Eventually(t, "second event", func() bool { return h.subscriber(t, sub.ID).Delivered == 2 })

	s.Stop()
	s.Restart(t)                                                  // empty: nobody is subscribed any more
	asynctest.Eventually(t, "nobody is subscribed", func() bool { // when the client library notices that Redis is back
		_, err := h.Keepalive(t.Context(), sub.ID)
		return errors.Is(err, webhook.ErrNotFound)
	})
	again := h.subscribe(t, r)
	h.publish(t, "a", "", 3)
	asynctest.Eventually(t, "third event", func() bool { return h.subscriber(t, again.ID).Delivered == 1 })
}

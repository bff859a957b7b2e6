package webhook

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/event"
	"geogate/internal/redistest"
)

// longestScript is what one script may take: Redis serves nobody else meanwhile. It
// is judged where nothing else runs, with -long; beside other tests only what is
// beyond doubt fails, as a turn whose work nothing bounds does.
const longestScript = 5 * time.Millisecond

// processorTime is what the one thread of Redis that runs scripts has used so far. Unlike
// the clock, it does not count what other programs of the machine took.
func processorTime(t testing.TB, rdb *redis.Client) (used time.Duration) {
	t.Helper()
	info, err := rdb.Info(context.Background(), "cpu").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user_main_thread" || name == "used_cpu_sys_main_thread" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			used += time.Duration(seconds * float64(time.Second))
		}
	}
	return used
}

// The most that there may be: a thousand subscribers, with filters of every kind, and
// a burst of events. Two workers take turns; every attempt succeeds.
func TestHandingOutNeverHoldsRedis(t *testing.T) {
	const subscribers, quarter = 1000, 250
	most, events := 10*longestScript, 10
	if flag.Lookup("long").Value.String() == "true" {
		most, events = longestScript, 30
	}
	many := make([]string, event.MaxPatterns)
	for i := range many {
		many[i] = fmt.Sprintf("other.type.number.%d.%s", i, strings.Repeat("x", 90))
	}
	many[len(many)-1] = "news.*"
	filters := [][]string{nil, {"news.flash"}, many, {"weather.*"}}
	rdb := redistest.Start(t).Client(t)
	guard := NewGuard(GuardConfig{Open: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(guard.Close)
	log := event.New(rdb, event.Config{})
	registry := NewRegistry(rdb, guard, Config{})
	for i := range subscribers {
		_, _, err := registry.Register(t.Context(), Registration{
			URL: "http://127.0.0.1:9/" + strconv.Itoa(i), Types: filters[i/quarter], TTL: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range events {
		_, _, err := log.Publish(t.Context(), event.Publication{Type: "news.flash", Subject: "city:" + strconv.Itoa(i%3), Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
	}
	var workers [2]*work
	for i := range workers {
		workers[i] = &work{sender: NewSender(rdb, log, guard, Config{})}
	}
	got := map[string][]string{} // subscriber → events in order
	var took []time.Duration
	want := events * 3 * quarter
	for total := 0; total < want; {
		for _, w := range workers {
			before := processorTime(t, rdb)
			answer, err := w.call(t.Context(), claimAtMost, false)
			took = append(took, processorTime(t, rdb)-before)
			if err != nil {
				t.Fatal(err)
			}
			if !answer.more && len(answer.claims) == 0 && total < want {
				t.Fatalf("nothing more to do after %d deliveries", total)
			}
			for _, c := range answer.claims {
				got[c.subscriber] = append(got[c.subscriber], c.event.ID)
				total++
				w.settled = append(w.settled, &result{Subscriber: c.subscriber, Event: c.event.ID, OK: true})
			}
		}
	}
	// The last event may still be on its way past subscribers who do not listen for it.
	for more := true; more; {
		answer, err := workers[0].call(t.Context(), claimAtMost, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.claims) > 0 {
			t.Fatalf("%d deliveries too many", len(answer.claims))
		}
		more = answer.more
	}
	slices.Sort(took)
	t.Logf("%d turns: median %s, longest %s", len(took), took[len(took)/2], took[len(took)-1])
	if longest := took[len(took)-1]; longest > most {
		t.Errorf("a turn took %s of the processor, want at most %s", longest, most)
	}
	for id, ids := range got {
		if once := slices.Compact(slices.Sorted(slices.Values(ids))); len(ids) != events || len(once) != events {
			t.Errorf("%s got %d events, of them %d different, want %d", id, len(ids), len(once), events)
		}
	}
	if len(got) != 3*quarter {
		t.Errorf("%d subscribers got events, want %d", len(got), 3*quarter)
	}
	if rdb.Exists(t.Context(), event.Prefix+"handing").Val() != 0 {
		t.Error("an event is still being handed out")
	}
}

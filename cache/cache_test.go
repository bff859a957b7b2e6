package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// answer is an entry as a fill would make it.
func answer(body string) Entry {
	return Entry{
		Status: 200, ContentType: "application/json", Body: []byte(body),
		Provider: "own", Outcome: "found", Fresh: time.Hour, Stale: 24 * time.Hour,
	}
}

// counted is a fill that counts its calls and answers with their number.
func counted(calls *atomic.Int64) Fill {
	return func(context.Context, *Priority) (Entry, error) {
		return answer(fmt.Sprintf("call %d", calls.Add(1))), nil
	}
}

func neverFill(tb testing.TB) Fill {
	return func(context.Context, *Priority) (Entry, error) {
		tb.Error("filled what is cached")
		return Entry{}, errors.New("unwanted fill")
	}
}

// noRedis is a client of a server that is not there.
func noRedis(tb testing.TB) redis.UniversalClient {
	c := redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:1", ContextTimeoutEnabled: true, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1,
	})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// running runs c until the test ends.
func running(tb testing.TB, c *Cache) *Cache {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("Run() = %v", err)
		}
	})
	return c
}

func get(tb testing.TB, c *Cache, key string, d Directives, fill Fill) Result {
	tb.Helper()
	r, err := c.Get(context.Background(), key, d, fill)
	if err != nil {
		tb.Fatalf("Get(%q): %v", key, err)
	}
	return r
}

func want(tb testing.TB, r Result, class Class, layer, body string) {
	tb.Helper()
	if r.Class != class || r.Layer != layer || string(r.Body) != body {
		tb.Errorf("got %s from %q: %q, want %s from %q: %q", r.Class, r.Layer, r.Body, class, layer, body)
	}
}

func TestGetFillsOnceThenHits(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	var calls atomic.Int64
	fill := counted(&calls)
	first := patient(rdb, Config{Memory: 1 << 20})
	second := patient(rdb, Config{}) // another process, without memory

	miss := get(t, first, "k", Directives{}, fill)
	want(t, miss, Miss, "", "call 1")
	if !miss.Stored || miss.Collapsed {
		t.Errorf("Stored, Collapsed = %v, %v, want true, false", miss.Stored, miss.Collapsed)
	}
	hit := get(t, first, "k", Directives{}, fill)
	want(t, hit, Hit, LayerMemory, "call 1")
	other := get(t, second, "k", Directives{}, fill)
	want(t, other, Hit, LayerRedis, "call 1")
	if diff := cmp.Diff(*miss.Entry, *other.Entry); diff != "" {
		t.Errorf("entry changed on its way through Redis (-stored +read):\n%s", diff)
	}
	if miss.ETag == "" || miss.ETag != other.ETag {
		t.Errorf("ETag %q in one process, %q in the other", miss.ETag, other.ETag)
	}
	block := "Content-Length: 6\r\nContent-Type: application/json\r\nEtag: " + hit.ETag + "\r\n"
	if here, there := string(hit.AppendHeader(nil)), string(other.AppendHeader(nil)); here != block || there != block {
		t.Errorf("AppendHeader() = %q, in the other process %q, want %q", here, there, block)
	}
	if st := first.Stats(); st.HitsMemory != 1 || st.Misses != 1 || st.Fills != 1 || st.MemoryEntries != 1 || st.MemoryBytes != uint64(weigh("k", hit.item)) {
		t.Errorf("Stats() = %+v", st)
	}
}

func TestEntriesThatAreNotStored(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	for name, change := range map[string]func(*Entry){
		"no store": func(e *Entry) { e.NoStore = true },
		"no life":  func(e *Entry) { e.Fresh = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := patient(rdb, Config{Memory: 1 << 20})
			for range 2 {
				r := get(t, c, name, Directives{}, func(context.Context, *Priority) (Entry, error) {
					e := answer("x")
					change(&e)
					return e, nil
				})
				want(t, r, Bypass, "", "x")
				if r.Stored {
					t.Error("Stored = true")
				}
			}
			if keys := rdb.Keys(context.Background(), "geogate:cache:entry:*").Val(); len(keys) != 0 {
				t.Errorf("in Redis: %q, want nothing", keys)
			}
		})
	}
}

func TestErrorsAreNotStored(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	c := patient(rdb, Config{Memory: 1 << 20})
	boom := errors.New("boom")
	_, err := c.Get(context.Background(), "k", Directives{}, func(context.Context, *Priority) (Entry, error) {
		return answer("half"), boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("err = %v, want %v", err, boom)
	}
	var calls atomic.Int64
	want(t, get(t, c, "k", Directives{}, counted(&calls)), Miss, "", "call 1")
}

func TestThousandCallersOneFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(noRedis(t), Config{Memory: 1 << 20})
		var calls atomic.Int64
		fill := func(ctx context.Context, _ *Priority) (Entry, error) {
			select {
			case <-time.After(500 * time.Millisecond):
				return answer(fmt.Sprintf("call %d", calls.Add(1))), nil
			case <-ctx.Done():
				return Entry{}, ctx.Err()
			}
		}
		impatient, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		left := make(chan error)
		go func() {
			_, err := c.Get(impatient, "k", Directives{}, fill)
			left <- err
		}()
		synctest.Wait()

		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				r, err := c.Get(context.Background(), "k", Directives{}, fill)
				if err != nil || r.Class != Miss || !r.Collapsed || string(r.Body) != "call 1" {
					t.Errorf("got %+v, %v", r, err)
				}
			})
		}
		if err := <-left; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller that left got %v", err)
		}
		wg.Wait()
		if n := calls.Load(); n != 1 {
			t.Errorf("%d fills, want 1", n)
		}
		if st := c.Stats(); st.Collapsed != 1000 || st.Fills != 1 {
			t.Errorf("Stats() = %+v, want 1000 collapsed, 1 fill", st)
		}
	})
}

// A caller that missed and then found no flight, because the one that filled
// the key had just ended.
func TestLateFlightFindsWhatTheLastOneStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(noRedis(t), Config{Memory: 1 << 20})
		var calls atomic.Int64
		get(t, c, "k", Directives{}, counted(&calls))
		r, err := c.join(t.Context(), flightID{key: "k"}, &Directives{}, nil, neverFill(t))
		if err != nil {
			t.Fatal(err)
		}
		want(t, r, Hit, LayerMemory, "call 1")
	})
}

func TestFillThatEndsBadlyWakesEverybody(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("boom") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				c := New(noRedis(t), Config{Memory: 1 << 20, Log: zerolog.New(&log)})
				bad := func(context.Context, *Priority) (Entry, error) {
					<-time.After(time.Second)
					end()
					return answer("unreachable"), nil
				}
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if _, err := c.Get(context.Background(), "k", Directives{}, bad); !errors.Is(err, ErrFillPanicked) {
							t.Errorf("err = %v, want ErrFillPanicked", err)
						}
					})
				}
				wg.Wait()
				if !strings.Contains(log.String(), "fill panicked") {
					t.Errorf("log = %q", log.String())
				}
				var calls atomic.Int64
				want(t, get(t, c, "k", Directives{}, counted(&calls)), Miss, "", "call 1")
			})
		})
	}
}

func TestFillHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(noRedis(t), Config{FillTimeout: 3 * time.Second})
		type ctxKey struct{}
		ctx := context.WithValue(context.Background(), ctxKey{}, "kept")
		start := time.Now()
		_, err := c.Get(ctx, "k", Directives{}, func(ctx context.Context, p *Priority) (Entry, error) {
			if ctx.Value(ctxKey{}) != "kept" || p.Lane() != People {
				t.Errorf("value %v, lane %v", ctx.Value(ctxKey{}), p.Lane())
			}
			<-ctx.Done()
			return Entry{}, ctx.Err()
		})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("err = %v after %v, want the fill's deadline after 3s", err, took)
		}
	})
}

func TestRunWaitsForFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(noRedis(t), Config{Memory: 1 << 20})
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		release := make(chan struct{})
		gone, leave := context.WithCancel(context.Background())
		go func() {
			_, _ = c.Get(gone, "k", Directives{}, func(context.Context, *Priority) (Entry, error) {
				<-release
				return answer("late"), nil
			})
		}()
		synctest.Wait()
		leave()
		stop()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("Run returned while a fill was under way")
		default:
		}
		close(release)
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
		want(t, get(t, c, "k", Directives{}, neverFill(t)), Hit, LayerMemory, "late")
	})
}

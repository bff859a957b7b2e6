package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/batch"
)

// gated is a line whose batches each wait for a word.
type gated struct {
	*batch.Line[string]
	goOn chan struct{}

	mu      sync.Mutex
	batches [][]string
}

// newGated returns a line of items that cost as much as they are long.
func newGated(bounds batch.Bounds) *gated {
	g := &gated{goOn: make(chan struct{})}
	g.Line = batch.New(bounds, func(item string) int { return len(item) }, func(items []string) {
		g.mu.Lock()
		g.batches = append(g.batches, slices.Clone(items))
		g.mu.Unlock()
		<-g.goOn
	})
	return g
}

// do calls Do, and returns when it waits.
func (g *gated) do(ctx context.Context, caller string, items ...string) (ended chan error) {
	ended = make(chan error, 1)
	go func() { ended <- g.Do(ctx, caller, items) }()
	synctest.Wait()
	return ended
}

// end lets all batches run that there will be.
func (g *gated) end() {
	close(g.goOn)
	synctest.Wait()
}

var roomy = batch.Bounds{Batch: 100, Waiting: 1000, Each: 1000}

func TestNothingWaitsWhereNobodyIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(roomy)
		close(g.goOn)
		began := time.Now()
		for range 3 {
			if err := g.Do(t.Context(), "", []string{"a"}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited != 0 || len(g.batches) != 3 {
			t.Errorf("three calls, one after the other, waited %s and made %v, want no wait and a batch each", waited, g.batches)
		}
		if err := g.Do(t.Context(), "", nil); err != nil {
			t.Errorf("Do of nothing: %v", err)
		}
	})
}

func TestBatches(t *testing.T) {
	tests := []struct {
		name   string
		bounds batch.Bounds
		calls  map[string][]string // by caller, whose names are the order of the calls
		want   [][]string          // behind the batch that they wait for
	}{
		{"together", roomy, map[string][]string{"1": {"a"}, "2": {"b"}, "3": {"c"}}, [][]string{{"a", "b", "c"}}},
		{"callers take turns", roomy, map[string][]string{"1": {"a", "b", "c"}, "2": {"d"}, "3": {"e", "f"}}, [][]string{{"a", "d", "e", "b", "f", "c"}}},
		{
			"bounded", batch.Bounds{Batch: 3, Waiting: 1000, Each: 1000},
			map[string][]string{"1": {"aa", "bb"}, "2": {"c"}, "3": {"dd"}},
			[][]string{{"aa", "c"}, {"dd"}, {"bb"}},
		},
		{
			"larger than a batch", batch.Bounds{Batch: 3, Waiting: 1000, Each: 1000},
			map[string][]string{"1": {"aaaaa"}, "2": {"b"}}, [][]string{{"aaaaa"}, {"b"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGated(tt.bounds)
				ended := []chan error{g.do(t.Context(), "first", "x")}
				for n := 1; n <= len(tt.calls); n++ {
					ended = append(ended, g.do(t.Context(), fmt.Sprint(n), tt.calls[fmt.Sprint(n)]...))
				}
				g.end()
				for n, c := range ended {
					if err := <-c; err != nil {
						t.Errorf("call %d: %v", n, err)
					}
				}
				if want := append([][]string{{"x"}}, tt.want...); !slices.EqualFunc(g.batches, want, slices.Equal) {
					t.Errorf("batches %v, want %v", g.batches, want)
				}
			})
		})
	}
}

func TestWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(roomy)
		leave := func(items ...string) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			ended := g.do(ctx, "who leaves", items...)
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Do(%v) of who left: %v", items, err)
			}
		}
		leave("under way")
		stays := g.do(t.Context(), "who leaves", "a")
		leave("b", "c")
		other := g.do(t.Context(), "other", "d")
		if n := g.Waiting(); n != 2 {
			t.Errorf("%d wait, want the two who stay", n)
		}
		g.end()
		if err := errors.Join(<-stays, <-other); err != nil {
			t.Errorf("who stayed: %v", err)
		}
		if want := [][]string{{"under way"}, {"a", "d"}}; !slices.EqualFunc(g.batches, want, slices.Equal) {
			t.Errorf("batches %v, want %v", g.batches, want)
		}
	})
}

func TestNoMoreWaitThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(batch.Bounds{Batch: 10, Waiting: 5, Each: 3})
		ctx, cancel := context.WithCancel(t.Context())
		ended := []chan error{g.do(t.Context(), "a", "x")}
		leaves := g.do(ctx, "a", "aaa")
		full := func(caller, item string, want bool) {
			t.Helper()
			ended := g.do(ctx, caller, item)
			select {
			case err := <-ended:
				if !errors.Is(err, batch.ErrFull) || !want {
					t.Errorf("Do(%q) of %s: %v", item, caller, err)
				}
			default:
				if want {
					t.Errorf("Do(%q) of %s waits, want it refused", item, caller)
				}
			}
		}
		full("a", "a", true)
		full("b", "bbb", true)
		full("b", "bb", false)
		full("c", "c", true)
		cancel()
		<-leaves
		synctest.Wait()
		ended = append(ended, g.do(t.Context(), "a", "aaa"), g.do(t.Context(), "c", "cc"))
		g.end()
		for n, c := range ended {
			if err := <-c; err != nil {
				t.Errorf("call %d: %v", n, err)
			}
		}
	})
}

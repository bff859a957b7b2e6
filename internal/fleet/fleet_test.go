package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// run starts processes on one Redis and returns their parts.
func run(t *testing.T, server *redistest.Server, n int) []*Fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	var fleets []*Fleet
	for range n {
		f := New(server.Client(t), "test", zerolog.Nop())
		fleets = append(fleets, f)
		running.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return fleets
}

// await waits until every process knows a value.
func await(t *testing.T, fleets []*Fleet, want Mode, generation uint64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		wrong := ""
		for _, f := range fleets {
			if v := f.Value(); v.Mode != want || v.Generation != generation {
				wrong = fmt.Sprintf("%s knows %+v", f.Name(), v)
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, want %s at generation %d", wrong, want, generation)
		}
		<-tick.C
	}
}

func TestAChangeReachesEveryProcess(t *testing.T) {
	server := redistest.Start(t)
	fleets := run(t, server, 3)
	await(t, fleets, Normal, 0)
	v, err := fleets[1].Set(t.Context(), Change{Mode: CachedOnly, Reason: "the bill is spent", By: "ann"})
	if err != nil || v.Generation != 1 {
		t.Fatalf("Set = %+v, %v", v, err)
	}
	if fleets[1].Mode() != CachedOnly {
		t.Error("the process that was told does not know")
	}
	await(t, fleets, CachedOnly, 1)
	if got := fleets[2].Value(); got.Reason != "the bill is spent" || got.SetBy != "ann" || !got.SetAt.Equal(v.SetAt) {
		t.Errorf("another process knows %+v, want %+v", got, v)
	}
	late := run(t, server, 1)
	await(t, late, CachedOnly, 1)

	// A Redis that was emptied gets the value back, and counts on from it.
	if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := fleets[0].Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	restarted := run(t, server, 1)
	await(t, restarted, CachedOnly, 1)
	if v, err := restarted[0].Set(t.Context(), Change{Mode: Normal, By: "bob"}); err != nil || v.Generation != 2 {
		t.Errorf("Set after the restart = %+v, %v", v, err)
	}
	await(t, append(fleets, late...), Normal, 2)
}

func TestOneOfTwoWritersWins(t *testing.T) {
	fleets := run(t, redistest.Start(t), 2)
	seen := uint64(0)
	var wins, conflicts int
	var mu sync.Mutex
	var writers sync.WaitGroup
	for i, f := range fleets {
		writers.Go(func() {
			_, err := f.Set(t.Context(), Change{Mode: []Mode{CachedOnly, ReadOnly}[i], By: f.Name(), IfGeneration: &seen})
			conflict, lost := errors.AsType[*ConflictError](err)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case lost && conflict.Present.Generation == 1:
				conflicts++
			default:
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if wins != 1 || conflicts != 1 {
		t.Errorf("%d writers won and %d heard of a conflict, want one each", wins, conflicts)
	}
	await(t, fleets, fleets[0].Mode(), 1)
}

func TestTheHigherGenerationWinsThenTheLaterName(t *testing.T) {
	for _, tt := range []struct {
		mine, other Value
		want        bool
	}{
		{Value{Generation: 2, SetBy: "a"}, Value{Generation: 1, SetBy: "b"}, true},
		{Value{Generation: 1, SetBy: "b"}, Value{Generation: 2, SetBy: "a"}, false},
		{Value{Generation: 1, SetBy: "b"}, Value{Generation: 1, SetBy: "a"}, true},
		{Value{Generation: 1, SetBy: "a"}, Value{Generation: 1, SetBy: "a"}, false},
		{Value{}, Value{}, false},
	} {
		if got := tt.mine.beats(tt.other); got != tt.want {
			t.Errorf("%+v beats %+v: %v, want %v", tt.mine, tt.other, got, tt.want)
		}
	}
	// The script decides the same way.
	server := redistest.Start(t)
	first, second := New(server.Client(t), "test", zerolog.Nop()), New(server.Client(t), "test", zerolog.Nop())
	first.take(Value{Mode: CachedOnly, Generation: 7, SetBy: "ann"})
	second.take(Value{Mode: ReadOnly, Generation: 7, SetBy: "bob"})
	for _, f := range []*Fleet{first, second, first} {
		if err := f.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	await(t, []*Fleet{first, second}, ReadOnly, 7)
}

func TestWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	fleets := run(t, server, 1)
	if _, err := fleets[0].Set(t.Context(), Change{Mode: CachedOnly, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if _, err := fleets[0].Set(t.Context(), Change{Mode: Normal, By: "ann"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Set = %v, want ErrUnavailable", err)
	}
	if fleets[0].Mode() != CachedOnly {
		t.Error("the process forgot the mode when Redis went away")
	}
	m, err := fleets[0].Members(t.Context())
	if len(m) != 1 || m[0].Name != fleets[0].Name() || m[0].Generation != 1 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("members = %+v, %v, want this one and an error", m, err)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	server := redistest.Start(t)
	stay := run(t, server, 2)
	ctx, leave := context.WithCancel(t.Context())
	gone := New(server.Client(t), "test", zerolog.Nop())
	left := make(chan struct{})
	go func() { _ = gone.Run(ctx); close(left) }()
	members := func() []Member {
		list, err := stay[0].Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	asynctest.Eventually(t, "all three are members", func() bool { return len(members()) == 3 })
	for _, m := range members() {
		if m.Status != Alive || m.Version != "test" || m.StartedAt.IsZero() {
			t.Errorf("a member is %+v", m)
		}
	}
	leave()
	<-left
	asynctest.Eventually(t, "the one that stopped is gone", func() bool { return len(members()) == 2 })

	// One that was killed is told of for a while, by the clock of Redis.
	killed := New(server.Client(t), "test", zerolog.Nop())
	if err := killed.note(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	rdb := server.Client(t)
	text, err := rdb.HGet(t.Context(), membersKey, killed.Name()).Result()
	if err != nil {
		t.Fatal(err)
	}
	heard, said, _ := strings.Cut(text, " ")
	at, err := strconv.ParseInt(heard, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) {
		if err := rdb.HSet(t.Context(), membersKey, killed.Name(), fmt.Sprint(at-d.Milliseconds(), " ", said)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	ago(heardLife + time.Second)
	if list := members(); len(list) != 3 || !slices.ContainsFunc(list, func(m Member) bool { return m.Name == killed.Name() && m.Status == Unreachable }) {
		t.Errorf("members = %+v, want the one that was killed as unreachable", list)
	}
	ago(rememberedLife + time.Second)
	if err := stay[1].note(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if list := members(); len(list) != 2 {
		t.Errorf("members = %+v, want the one that was killed forgotten", list)
	}
}

package schema

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
	"geogate/internal/lease"
	"geogate/internal/redistest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// nothing is a step that has nothing to do.
func nothing(from int) Step {
	return Step{From: from, Do: func(context.Context, redis.UniversalClient) (bool, error) { return false, nil }}
}

func TestCheck(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		for _, row := range []struct {
			name          string
			version, data string // in Redis; empty: none
			known         int
			steps         []Step
			want          string // the version then
			wantErr       error
			says          string
		}{
			{name: "empty", known: 3, want: "3"},
			{name: "same", version: "3", known: 3, want: "3"},
			{name: "without a version", data: "geogate:regions", known: 1, want: "1"},
			{name: "without a version, later", data: "geogate:{events}:stream", known: 3, steps: []Step{nothing(1), nothing(2)}, want: "3"},
			{name: "without a version and steps", data: "geogate:jobs:active", known: 2, want: "1", wantErr: ErrRefused, says: "schema version 1 "},
			{name: "older", version: "1", known: 3, steps: []Step{nothing(2), nothing(1)}, want: "3"},
			{name: "older, the first step is missing", version: "1", known: 3, steps: []Step{nothing(2)}, want: "1", wantErr: ErrRefused, says: "start a release in between first"},
			{name: "newer", version: "4", known: 3, want: "4", wantErr: ErrRefused, says: "start the newer release again"},
			{name: "nonsense", version: "new", known: 3, want: "new", wantErr: ErrRefused, says: versionKey},
		} {
			rdb.Del(t.Context(), versionKey)
			for _, key := range unversioned {
				rdb.Del(t.Context(), key)
			}
			if row.version != "" {
				rdb.Set(t.Context(), versionKey, row.version, 0)
			}
			if row.data != "" {
				rdb.Set(t.Context(), row.data, "x", 0)
			}
			err := check(t.Context(), rdb, row.known, row.steps)
			if !errors.Is(err, row.wantErr) || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: check = %v, want %v that says %q", row.name, err, row.wantErr, row.says)
			}
			if got := rdb.Get(t.Context(), versionKey).Val(); got != row.want {
				t.Errorf("%s: version = %q, want %q", row.name, got, row.want)
			}
		}
	})
}

func TestCheckWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	s.Stop()
	if err := Check(t.Context(), rdb); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("Check without Redis = %v, want an error that is not ErrRefused", err)
	}
}

// Several processes that start at once migrate once, and all of them go on.
func TestOneProcessMigrates(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		rdb.Set(t.Context(), versionKey, 1, 0)
		var inside, calls atomic.Int64
		step := Step{From: 1, Do: func(ctx context.Context, rdb redis.UniversalClient) (bool, error) {
			if inside.Add(1) > 1 {
				t.Error("two processes migrate at the same time")
			}
			defer inside.Add(-1)
			return calls.Add(1) < 20, rdb.Ping(ctx).Err()
		}}
		var processes sync.WaitGroup
		for range 4 {
			processes.Go(func() {
				if err := check(context.Background(), rdb, 2, []Step{step}); err != nil {
					t.Errorf("check: %v", err)
				}
			})
		}
		processes.Wait()
		if got := calls.Load(); got != 20 {
			t.Errorf("the step was called %d times, want 20", got)
		}
		if left := rdb.Exists(t.Context(), leaseKey).Val(); left != 0 {
			t.Error("the lease was not given back")
		}
	})
}

// A process that read the version just before another one had migrated gets the lease
// when that has given it back.
func TestMigrationOfAnotherProcessIsNotRepeated(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), versionKey, 3, 0)
	turn := lease.New(rdb, leaseKey, "late", leaseLife)
	if held, err := turn.Take(t.Context()); err != nil || !held {
		t.Fatalf("Take = %v, %v", held, err)
	}
	step := Step{From: 1, Do: func(context.Context, redis.UniversalClient) (bool, error) {
		t.Error("a step was taken twice")
		return false, nil
	}}
	if err := migrate(t.Context(), rdb, turn, &step); err != nil {
		t.Errorf("migrate = %v", err)
	}
	if got := rdb.Get(t.Context(), versionKey).Val(); got != "3" {
		t.Errorf("version = %q, want the 3 that the other one has reached", got)
	}
}

// A step that fails is begun anew, and the version stays until it is done.
func TestFailedStep(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), versionKey, 1, 0)
	broken := errors.New("broken")
	step := Step{From: 1, Do: func(context.Context, redis.UniversalClient) (bool, error) { return false, broken }}
	if err := check(t.Context(), rdb, 2, []Step{step}); !errors.Is(err, broken) {
		t.Errorf("check = %v, want the error of the step", err)
	}
	if got := rdb.Get(t.Context(), versionKey).Val(); got != "1" {
		t.Errorf("version = %q after a step that failed, want 1", got)
	}
}

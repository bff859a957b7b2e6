package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

func compared(t *testing.T, w *Watch) []string {
	t.Helper()
	if err := w.compare(t.Context()); err != nil {
		t.Fatalf("compare: %v", err)
	}
	return w.Disagreements()
}

func TestDisagreements(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		var said bytes.Buffer
		one := NewWatch(rdb, map[string]string{"OFFER": "15s", "RETENTION": "24h", "NEW": "1"}, zerolog.New(&said))
		same := NewWatch(rdb, map[string]string{"OFFER": "15s", "RETENTION": "24h"}, zerolog.Nop())
		compared(t, same)
		if got := compared(t, one); got != nil {
			t.Errorf("with one that agrees: %q, want none", got)
		}

		other := NewWatch(rdb, map[string]string{"OFFER": "0s", "RETENTION": "24h"}, zerolog.Nop())
		third := NewWatch(rdb, map[string]string{"OFFER": "1m", "RETENTION": "1h"}, zerolog.Nop())
		third.settings[versionSetting] = strconv.Itoa(Version + 1)
		compared(t, other)
		compared(t, third)
		want := []string{
			"OFFER is 15s here and 0s, 1m elsewhere", "RETENTION is 24h here and 1h elsewhere",
			fmt.Sprintf("schema version is %d here and %d elsewhere", Version, Version+1),
		}
		for range 2 {
			if got := compared(t, one); !slices.Equal(got, want) {
				t.Errorf("Disagreements = %q, want %q", got, want)
			}
		}
		if got := strings.Count(said.String(), "processes disagree about a setting"); got != 3 {
			t.Errorf("%d warnings, want one for each setting:\n%s", got, said.String())
		}
		for _, text := range []string{`"setting":"OFFER"`, `"here":"15s"`, `"elsewhere":["0s","1m"]`} {
			if !strings.Contains(said.String(), text) {
				t.Errorf("the warnings lack %s:\n%s", text, said.String())
			}
		}

		third.leave(t.Context())
		said.Reset()
		if got := compared(t, one); !slices.Equal(got, []string{"OFFER is 15s here and 0s elsewhere"}) {
			t.Errorf("after one has left: %q", got)
		}
		if got := strings.Count(said.String(), "\n"); got != 1 {
			t.Errorf("%d lines for one change:\n%s", got, said.String())
		}
		other.leave(t.Context())
		said.Reset()
		if got := compared(t, one); got != nil || !strings.Contains(said.String(), "agree about their settings again") {
			t.Errorf("after all have left: %q, log %s", got, said.String())
		}
	})
}

// A process that was killed counts for noteLife, and what no release wrote is no
// process.
func TestProcessesNotHeardOf(t *testing.T) {
	redistest.OnEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		rdb.HSet(t.Context(), settingsKey, "long ago", `1000 {"A":"2"}`, "nonsense", "x", "other release", "99999999999999 [1]")
		w := NewWatch(rdb, map[string]string{"A": "1"}, zerolog.Nop())
		if got := compared(t, w); got != nil {
			t.Errorf("Disagreements = %q, want none", got)
		}
		fields := rdb.HKeys(t.Context(), settingsKey).Val()
		slices.Sort(fields)
		if want := []string{w.process, "other release"}; !slices.Equal(fields, slices.Sorted(slices.Values(want))) {
			t.Errorf("processes = %q, want %q", fields, want)
		}
	})
}

func TestRun(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	stopOther := asynctest.Background(t, NewWatch(rdb, map[string]string{"A": "2"}, zerolog.Nop()).Run)
	asynctest.Eventually(t, "settings noted", func() bool { return rdb.HLen(context.Background(), settingsKey).Val() == 1 })
	w := NewWatch(rdb, map[string]string{"A": "1"}, zerolog.Nop())
	stop := asynctest.Background(t, w.Run)
	<-w.Checked()
	asynctest.Eventually(t, "disagreement", func() bool { return len(w.Disagreements()) == 1 })
	stop()
	stopOther()
	if n := rdb.HLen(t.Context(), settingsKey).Val(); n != 0 {
		t.Errorf("%d processes are noted after their end", n)
	}
}

// Serving does not wait for Redis: the check comes when Redis does.
func TestRunWaitsForRedis(t *testing.T) {
	s := redistest.Start(t)
	rdb := s.Client(t)
	s.Stop()
	w := NewWatch(rdb, nil, zerolog.Nop())
	asynctest.Background(t, w.Run)
	select {
	case <-w.Checked():
		t.Error("checked without Redis")
	default:
	}
	s.Restart(t)
	<-w.Checked()
}

func TestRunRefuses(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	rdb.Set(t.Context(), versionKey, Version+1, 0)
	w := NewWatch(rdb, nil, zerolog.Nop())
	if err := w.Run(t.Context()); !errors.Is(err, ErrRefused) {
		t.Errorf("Run beside a newer release = %v, want ErrRefused", err)
	}
	select {
	case <-w.Checked():
		t.Error("checked, though refused")
	default:
	}
}

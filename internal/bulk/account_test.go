package bulk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

// kept checks what is charged against what the charges add up to.
func (w *world) kept(t testing.TB) Kept {
	t.Helper()
	k, err := w.master.Kept(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	charges, err := w.rdb.HGetAll(context.Background(), w.master.account.keys()[1]).Result()
	if err != nil {
		t.Fatal(err)
	}
	sum := Kept{Jobs: int64(len(charges))}
	for _, text := range charges {
		var bytes int64
		if _, err := fmt.Sscan(text, &bytes); err != nil {
			t.Fatal(err)
		}
		sum.Bytes += bytes
	}
	if k != sum {
		t.Errorf("totals say %+v, the charges are %+v", k, sum)
	}
	return k
}

func (w *world) createAs(ctx context.Context, client string, rows int) (Job, error) {
	return w.master.Create(ctx, Upload{Client: client, Body: streets(rows, func(i int) string { return fmt.Sprintf("%d,Street %d,x\n", i, i) })})
}

func TestJobsAreCapped(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.master.cfg.MaxJobs, w.master.cfg.MaxClientJobs = 5, 3
		var ids []string
		for i := range 3 {
			job, err := w.createAs(ctx, "anna", 2)
			if err != nil {
				t.Fatalf("job %d: %v", i, err)
			}
			ids = append(ids, job.ID)
		}
		if _, err := w.createAs(ctx, "anna", 2); !errors.Is(err, ErrClientFull) {
			t.Errorf("the fourth job of a client: %v, want ErrClientFull", err)
		}
		for range 2 {
			if job, err := w.createAs(ctx, "bert", 2); err != nil {
				t.Fatal(err)
			} else {
				ids = append(ids, job.ID)
			}
		}
		if _, err := w.createAs(ctx, "carl", 2); !errors.Is(err, ErrFull) {
			t.Errorf("the sixth job: %v, want ErrFull", err)
		}
		if k := w.kept(t); k.Jobs != 5 {
			t.Errorf("%d jobs are charged, want 5", k.Jobs)
		}
		if err := w.master.Delete(ctx, ids[0]); err != nil {
			t.Fatal(err)
		}
		job, err := w.createAs(ctx, "anna", 2)
		if err != nil {
			t.Errorf("after a deletion: %v", err)
		}
		for _, id := range append(ids[1:], job.ID) {
			if err := w.master.Delete(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		w.nothingLeft(t)
	})
}

func TestBytesOfJobsAreCapped(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.master.cfg.MaxTotalBytes, w.master.cfg.MaxClientBytes = 1<<20, 600<<10
		first, err := w.createAs(ctx, "anna", 4000)
		if err != nil {
			t.Fatal(err)
		}
		one := w.kept(t).Bytes
		if one < 4000*rowCharge || one > 550<<10 {
			t.Fatalf("4,000 rows are charged with %d bytes", one)
		}
		if _, err := w.createAs(ctx, "anna", 4000); !errors.Is(err, ErrClientFull) {
			t.Errorf("more bytes of one client: %v, want ErrClientFull", err)
		}
		second, err := w.createAs(ctx, "bert", 4000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.createAs(ctx, "carl", 4000); !errors.Is(err, ErrFull) {
			t.Errorf("more bytes in all: %v, want ErrFull", err)
		}
		var limit *LimitError
		if _, err := w.createAs(ctx, "dora", 100_000); !errors.As(err, &limit) && !errors.Is(err, ErrFull) {
			t.Errorf("a job that is too large alone: %v, want a LimitError", err)
		}
		if k := w.kept(t); k != (Kept{2, 2 * one}) {
			t.Errorf("kept %+v, want 2 jobs of %d bytes", k, one)
		}
		for _, job := range []Job{first, second} {
			if err := w.master.Delete(ctx, job.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.createAs(ctx, "dora", 100_000); !errors.As(err, &limit) {
			t.Errorf("a job that is too large alone: %v, want a LimitError", err)
		}
		w.nothingLeft(t)
	})
}

// Two processes count together, whatever they do at the same time.
func TestChargesAreExactAcrossProcesses(t *testing.T) {
	w := newWorld(t)
	other := worldOf(t, clientLike(t, w.rdb), w.store, Config{})
	cfg := Config{MaxJobs: 7, MaxClientJobs: 4}
	for _, m := range []*Master{w.master, other.master} {
		m.cfg.MaxJobs, m.cfg.MaxClientJobs = cfg.MaxJobs, cfg.MaxClientJobs
	}
	var made sync.Map
	var accepted atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			process := []*world{w, other}[i%2]
			job, err := process.createAs(context.Background(), fmt.Sprint("client ", i%4/2), 600)
			switch {
			case err == nil:
				accepted.Add(1)
				made.Store(job.ID, process)
			case !errors.Is(err, ErrFull) && !errors.Is(err, ErrClientFull):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.kept(t).Jobs; n != accepted.Load() || n > 7 || n < 4 {
		t.Errorf("%d jobs are charged and %d accepted, want 7 at most", n, accepted.Load())
	}
	made.Range(func(id, process any) bool {
		all.Go(func() {
			if err := process.(*world).master.Delete(context.Background(), id.(string)); err != nil {
				t.Error(err)
			}
		})
		return true
	})
	all.Wait()
	w.nothingLeft(t)
}

// A job that expires is charged no longer, and one that workers keep alive is.
func TestExpiredJobsAreSettled(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	expired, err := w.createAs(ctx, "anna", 10)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := w.createAs(ctx, "anna", 10)
	if err != nil {
		t.Fatal(err)
	}
	one := w.kept(t).Bytes / 2
	// Both charges lapse; one job has expired, the other has been worked on.
	ends := w.master.account.keys()[0]
	for _, id := range []string{expired.ID, alive.ID} {
		if err := w.rdb.ZAdd(ctx, ends, redis.Z{Score: 1, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.rdb.Del(ctx, w.master.ledger.job(expired.ID)).Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.master.account.settle(ctx); err != nil {
		t.Fatal(err)
	}
	if k := w.kept(t); k != (Kept{1, one}) {
		t.Errorf("kept %+v, want the living job of %d bytes", k, one)
	}
	end, err := w.rdb.ZScore(ctx, ends, alive.ID).Result()
	if left := time.Until(time.UnixMilli(int64(end))); err != nil || left < DefaultRetention-time.Minute {
		t.Errorf("the charge of the living job lapses in %s, %v, want with the job", left, err)
	}
	if err := w.master.settleAndDelete(ctx, alive.ID, expired.ID); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft(t)
}

// settleAndDelete erases a job, and what is left of another whose ledger is gone.
func (m *Master) settleAndDelete(ctx context.Context, alive, expired string) error {
	return errors.Join(m.Delete(ctx, alive), m.erase(ctx, expired))
}

// When optional writes to Redis are paused, an upload ends and leaves nothing.
func TestPausedWritesEndUploads(t *testing.T) {
	w := newWorld(t)
	for _, allowed := range []int64{0, 1, 3} {
		var asked atomic.Int64
		w.master.cfg.MayStore = func(int) bool { return asked.Add(1) <= allowed }
		_, err := w.createAs(t.Context(), "anna", 5*chunkRows)
		if !errors.Is(err, ErrNoRoom) || asked.Load() != allowed+1 {
			t.Errorf("paused after %d: %v, asked %d times", allowed, err, asked.Load())
		}
		w.nothingLeft(t)
	}
}

// A look at a job reads no names, whose total nothing bounded: 112 ms.
func TestLookAtJobWithManyNames(t *testing.T) {
	w := newWorld(t)
	var line strings.Builder
	for i := range maxColumns - 100 {
		fmt.Fprintf(&line, `,"%060d":1`, i)
	}
	job := w.create(t, "{"+line.String()[1:]+"}\n", Options{})
	quickest := time.Hour // a busy machine may hold up the others
	for range 100 {
		began := time.Now()
		if _, err := w.master.Job(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, time.Since(began))
	}
	t.Logf("a look takes %s", quickest)
	if quickest > 5*time.Millisecond {
		t.Errorf("a look takes %s, want 5 ms at most", quickest)
	}
}

// A job that no worker has had yet is queued and has waited; the oldest is served first.
// What has become of jobs and rows is counted.
func TestStats(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		var ids []string
		for range 5 {
			ids = append(ids, w.create(t, "address\nStreet 1\nnowhere 1\nrefused\n", Options{}).ID)
		}
		stats := func() Stats {
			t.Helper()
			s, err := w.master.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		before := stats()
		if before.Queued != 5 || before.Running != 0 || before.Jobs != 5 || before.OldestQueued <= 0 || before.OldestQueued > patience {
			t.Errorf("before the first worker: %+v", before)
		}
		for _, id := range ids[:2] {
			c, err := w.master.ledger.claimNext(t.Context(), newID(), patience)
			if err != nil || c == nil || c.job != id {
				t.Fatalf("claimNext = %+v, %v, want job %s, the oldest of %q", c, err, id, ids)
			}
		}
		if s := stats(); s.Queued != 3 || s.Running != 2 || s.OldestQueued <= 0 {
			t.Errorf("with two jobs in hand: %+v", s)
		}
		for _, id := range ids[:2] {
			if err := w.master.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		w.worker(t, WorkerConfig{})
		want := map[Outcome]int64{OutcomeFound: 3, OutcomeEmpty: 3, OutcomeInvalid: 3, OutcomeFailed: 0}
		var s Stats
		asynctest.Within(t, patience, "all are counted", func() bool {
			s = stats()
			return s.Ended[Finished] == 3 && maps.Equal(s.Rows, want) // one after the other
		})
		if s.Queued != 0 || s.Running != 0 || s.OldestQueued != 0 || s.Ended[Cancelled] != 2 || s.Ended[Failed] != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

package bulk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/pause"
	"geogate/internal/redistest"
)

// Workers that die without a word, at any point, cost nothing: a dead one's
// connection to Redis is cut, so that it can neither save nor give back.
func TestWorkersThatDie(t *testing.T) {
	for _, kind := range []string{"redis", "directory"} {
		t.Run(kind, func(t *testing.T) { testWorkersThatDie(t, kind) })
	}
}

func testWorkersThatDie(t *testing.T, kind string) {
	const rows, distinct = 5000, 3500
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	if kind == "directory" {
		store, err := NewDirStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w = worldOf(t, w.rdb, store, Config{})
	}
	died := make(chan struct{}) // the first one: the job must not be done before
	w.town.before = func(ctx context.Context, _ int, _ Query) error {
		select {
		case <-died:
		case <-ctx.Done():
		}
		return pause.For(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
	}
	job, err := w.master.Create(t.Context(), Upload{Body: streets(rows, func(i int) string {
		if i%20 == 19 {
			return fmt.Sprintf("%d,ragged\n", i)
		}
		return fmt.Sprintf("%d,Street %d,\"a\nb\"\n", i, i%distinct)
	})})
	if err != nil {
		t.Fatal(err)
	}

	hire := func() (kill func()) {
		ctx, cancel := context.WithCancel(context.Background())
		own, ok := w.store, w.rdb
		client := clientLike(t, ok)
		if _, isRedis := own.(*RedisStore); isRedis {
			own = NewRedisStore(client, "")
		}
		worker := NewWorker(client, own, w.bell, w.town.plan, WorkerConfig{Lease: 500 * time.Millisecond, Asks: 4})
		var ended sync.WaitGroup
		ended.Go(func() { _ = worker.Run(ctx) })
		return sync.OnceFunc(func() { _ = client.Close(); cancel(); ended.Wait() })
	}
	var crew []func()
	for range 3 {
		crew = append(crew, hire())
	}
	t.Cleanup(func() {
		for _, kill := range crew {
			kill()
		}
	})
	const most = 60 // or nobody lives long enough on a busy machine
	deaths := 0
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		now, err := w.master.Job(t.Context(), job.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.State.Ended() {
			break
		}
		select {
		case <-tick.C:
			if deaths == most {
				continue
			}
			victim := random.IntN(len(crew))
			crew[victim]()
			crew[victim] = hire()
			if deaths++; deaths == 1 {
				close(died)
			}
		case <-deadline:
			t.Fatalf("unfinished: %+v", now)
		}
	}
	job = w.finished(t, job.ID)
	list := records(t, w.result(t, job.ID, Rendering{Format: CSV}))
	if len(list) != rows || job.Done != rows || job.Invalid != rows/20 || job.Found != rows-rows/20 {
		t.Fatalf("%d rows, job %+v", len(list), job)
	}
	for i, r := range list {
		want := "found"
		if i%20 == 19 {
			want = "invalid"
		}
		if r["id"] != fmt.Sprint(i) || r["outcome"] != want || want == "found" && !strings.HasPrefix(r["display_name"], fmt.Sprintf("Place of Street %d,", i%distinct)) {
			t.Fatalf("row %d: %v", i, r)
		}
	}
	questions, _ := w.town.askedMost()
	t.Logf("%d deaths; %d questions for %d distinct addresses", deaths, questions, distinct)
}

// Another worker takes over a chunk of one that shows no sign of life, with the
// answers that were saved.
func TestTakeOver(t *testing.T) {
	w := newWorld(t)
	job := w.create(t, "address\nVaduz\nSchaan\nBalzers\n", Options{})
	l := w.master.ledger
	ctx := t.Context()
	c, err := l.claimNext(ctx, "dead", time.Minute)
	if err != nil || c == nil {
		t.Fatalf("claim: %v, %v", c, err)
	}
	if again, err := l.claimNext(ctx, "other", time.Minute); err != nil || again != nil {
		t.Fatalf("a leased chunk was given to another: %v, %v", again, err)
	}
	answers := []done{{}, {Outcome: OutcomeFound, Lat: "1", Lon: "2", DisplayName: "saved"}, {}}
	if err := w.store.Put(ctx, job.ID, "out-dead", encodeAnswers(answers)); err != nil {
		t.Fatal(err)
	}
	record := &chunkRecord{Counts: count(answers), blob: "out-dead"}
	for range 2 { // a repeated call counts once
		if _, err := l.save(ctx, c, renew, record, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := w.master.Job(ctx, job.ID); err != nil || now.Done != 1 || now.Found != 1 || now.State != Running {
		t.Errorf("job %+v, %v, want one row done", now, err)
	}
	var partial strings.Builder
	if err := w.master.WritePartial(ctx, job.ID, Rendering{Format: CSV}, &partial); err != nil {
		t.Fatal(err)
	}
	if list := records(t, partial.String()); len(list) != 1 || list[0]["display_name"] != "saved" || list[0]["address"] != "Schaan" {
		t.Errorf("partial result %v", list)
	}
	if _, err := l.save(ctx, c, renew, record, 50*time.Millisecond); err != nil { // its last sign of life
		t.Fatal(err)
	}
	w.worker(t, WorkerConfig{})
	if now := w.finished(t, job.ID); now.Done != 3 || now.Found != 3 {
		t.Errorf("job %+v", now)
	}
	if w.town.calls != 2 {
		t.Errorf("%d rows asked for, want the 2 that were not saved", w.town.calls)
	}
	if _, err := l.save(ctx, c, finish, record, time.Minute); !errors.Is(err, errLost) && !errors.Is(err, errGone) {
		t.Errorf("the dead worker's save = %v, want errLost or errGone", err)
	}
	if text := w.result(t, job.ID, Rendering{Format: CSV}); !strings.Contains(text, "Schaan,1,2,saved") || !strings.Contains(text, "Place of Vaduz") {
		t.Errorf("result %s", text)
	}
}

// A finish whose reply was lost is repeated without counting twice.
func TestFinishTwice(t *testing.T) {
	w := newWorld(t)
	job := w.create(t, "address\nVaduz\n", Options{})
	ctx := t.Context()
	c, err := w.master.ledger.claimNext(ctx, "t", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	record := &chunkRecord{Counts: Counts{Done: 1, Empty: 1}, blob: "b"}
	for range 2 {
		if state, err := w.master.ledger.save(ctx, c, finish, record, time.Minute); err != nil || state != Finished {
			t.Errorf("save = %s, %v, want finished", state, err)
		}
	}
	if now, err := w.master.Job(ctx, job.ID); err != nil || now.Done != 1 || now.Empty != 1 {
		t.Errorf("job %+v, %v", now, err)
	}
}

func TestStoppedWorkerGivesBack(t *testing.T) {
	w := newWorld(t)
	asked := make(chan struct{}, 100)
	w.town.before = func(ctx context.Context, call int, _ Query) error {
		asked <- struct{}{}
		if call > 2 {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	job := w.create(t, "address\nA\nB\nC\nD\n", Options{})
	stop := w.worker(t, WorkerConfig{Chunks: 1, Asks: 1, Lease: time.Hour})
	for range 3 { // the third one hangs
		<-asked
	}
	stop()
	if now, err := w.master.Job(t.Context(), job.ID); err != nil || now.Done != 2 {
		t.Errorf("job %+v, %v, want the two answers saved", now, err)
	}
	w.town.before = nil
	w.worker(t, WorkerConfig{}) // the lease of an hour is no obstacle
	w.finished(t, job.ID)
}

// A small job does not wait for a large one that came before it.
func TestJobsShare(t *testing.T) {
	w := newWorld(t)
	var ofTheLarge, meanwhile atomic.Int64 // rows asked for, in all and before the last small job
	w.town.before = func(ctx context.Context, _ int, q Query) error {
		if strings.HasPrefix(q.Q, "Small") {
			meanwhile.Store(ofTheLarge.Load())
		}
		ofTheLarge.Add(1)
		return pause.For(ctx, 2*time.Millisecond)
	}
	large, err := w.master.Create(t.Context(), Upload{Body: streets(20*chunkRows, func(i int) string { return fmt.Sprintf("%d,Street %d,x\n", i, i) })})
	if err != nil {
		t.Fatal(err)
	}
	w.worker(t, WorkerConfig{Chunks: 1, Asks: 1, Lease: 100 * time.Millisecond, Turn: 50 * time.Millisecond})
	w.until(t, large.ID, func(j Job) bool { return j.Done > 0 })
	var small []Job
	for i := range 2 {
		small = append(small, w.create(t, fmt.Sprintf("address\nSmall %d\n", i), Options{}))
	}
	before := ofTheLarge.Load()
	for _, job := range small {
		w.finished(t, job.ID)
	}
	if n := meanwhile.Load() - before; n > 3*chunkRows {
		t.Errorf("the small jobs waited for %d rows of the large one", n)
	}
	if err := w.master.Delete(t.Context(), large.ID); err != nil {
		t.Fatal(err)
	}
}

type throttled struct{ after time.Duration }

func (throttled) Error() string { return "throttled" }

func TestPauses(t *testing.T) {
	w := newWorld(t)
	var refused, busy, down atomic.Int64
	w.town.before = func(_ context.Context, call int, q Query) error {
		switch {
		case q.Q == "broken":
			return errors.New("nonsense")
		case call <= 3:
			refused.Add(1)
			return throttled{time.Millisecond}
		}
		return nil
	}
	job := w.create(t, "address\nVaduz\nrefused\nunplannable\nbroken\npanic\n", Options{})
	began := time.Now()
	w.worker(t, WorkerConfig{Chunks: 1, Asks: 1, Judge: func(err error) (Trouble, time.Duration) {
		var wants throttled
		if !errors.As(err, &wants) {
			return Fault, 0
		}
		if busy.Add(1) > 1 {
			down.Add(1)
			return Down, 0
		}
		return Busy, wants.after
	}})
	now := w.finished(t, job.ID)
	if now.State != Finished || now.Found != 2 || now.Invalid != 2 || now.Failed != 1 {
		t.Errorf("job %+v", now)
	}
	if refused.Load() != 3 || busy.Load() != 3 || down.Load() != 2 || time.Since(began) < 3*leastPause {
		t.Errorf("refused %d times, waited %d times, %v in all", refused.Load(), busy.Load(), time.Since(began))
	}
}

func TestOnePanicIsOneRow(t *testing.T) {
	w := newWorld(t)
	w.town.before = func(_ context.Context, _ int, q Query) error {
		if q.Q == "poison" {
			panic("poison")
		}
		return nil
	}
	job := w.create(t, "address\nVaduz\npoison\n", Options{})
	w.worker(t, WorkerConfig{})
	if now := w.finished(t, job.ID); now.Found != 1 || now.Failed != 1 {
		t.Errorf("job %+v", now)
	}
}

// What the cache does not hold, the job holds itself.
func TestJobHoldsWhatTheCacheDoesNot(t *testing.T) {
	w := newWorld(t)
	w.town.held = 0
	var file strings.Builder
	file.WriteString("address\n")
	for i := range 4 * chunkRows {
		fmt.Fprintf(&file, "%s %d\n", []string{"Street", "nowhere"}[i%2], i%40)
	}
	job := w.create(t, file.String(), Options{})
	w.worker(t, WorkerConfig{Chunks: 1})
	now := w.finished(t, job.ID)
	if questions, most := w.town.askedMost(); questions != 40 || most != 1 {
		t.Errorf("%d questions, one asked %d times, want 40 and 1", questions, most)
	}
	if now.CacheHits != 4*chunkRows-40 || now.Found != 2*chunkRows || now.Empty != 2*chunkRows {
		t.Errorf("job %+v", now)
	}
	text := w.result(t, job.ID, Rendering{Format: CSV})
	if last := slices.Collect(strings.Lines(text))[4*chunkRows-1]; !strings.Contains(last, "Place of Street") {
		t.Errorf("a repeated row is %q", last)
	}
}

func TestLostRowsFailTheJob(t *testing.T) {
	w := newWorld(t)
	job := w.create(t, "address\nVaduz\n", Options{})
	if err := w.store.Erase(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	w.worker(t, WorkerConfig{})
	if now := w.finished(t, job.ID); now.State != Failed || now.Error == "" {
		t.Errorf("job %+v, want failed", now)
	}
}

// Redis that stops for a while holds work up and loses none.
func TestRedisStops(t *testing.T) {
	server := redistest.Start(t)
	store, err := NewDirStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := worldOf(t, server.Client(t), store, Config{})
	// Those who have to do without Redis.
	impatient := server.Client(t, redistest.Impatient)
	master := NewMaster(impatient, store, w.bell, Config{})
	worker := NewWorker(impatient, store, w.bell, w.town.plan, WorkerConfig{Chunks: 2, Lease: 300 * time.Millisecond})
	w.town.before = func(ctx context.Context, _ int, _ Query) error { return pause.For(ctx, time.Millisecond) }
	job := w.create(t, "address\n"+strings.Repeat("Vaduz\n", chunkRows)+strings.Join(numbered(4*chunkRows), "\n"), Options{})
	asynctest.Background(t, worker.Run)
	w.until(t, job.ID, func(j Job) bool { return j.Done > 0 })
	server.Pause(t)
	for range 3 {
		if _, err := master.Job(t.Context(), job.ID); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Job while redis is away = %v, want ErrUnavailable", err)
		}
	}
	server.Resume(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for now := (Job{}); !now.State.Ended() && ctx.Err() == nil; {
		if next, err := w.master.Wait(ctx, job.ID, now.Version); err == nil {
			now = next
		}
	}
	if list := records(t, w.result(t, job.ID, Rendering{Format: CSV})); len(list) != 5*chunkRows {
		t.Errorf("%d rows, want %d", len(list), 5*chunkRows)
	}
}

func numbered(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("Street %d", i)
	}
	return list
}

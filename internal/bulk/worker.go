package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"geogate/internal/hub"
	"geogate/internal/pause"
	"geogate/internal/trace"
)

// WorkerConfig adjusts a Worker; the zero value of each field means what its
// comment says.
type WorkerConfig struct {
	Log zerolog.Logger
	// Namespace and Retention: as for the Master.
	Namespace string
	Retention time.Duration
	// Chunks is how many chunks are worked on at a time; 0: 2.
	Chunks int
	// Asks is how many rows of a chunk are asked for at a time; 0: 8.
	Asks int
	// Lease is how long a chunk stays with a worker that shows no sign of
	// life; 0: 10 s. A living one shows one five times as often.
	Lease time.Duration
	// Turn is how long a worker stays with a chunk while other jobs wait; 0:
	// 10 s.
	Turn time.Duration
	// MayStore is asked, with 0, before a chunk is begun; false: the worker waits.
	// What is under way is finished. nil: chunks are always begun.
	MayStore func(bytes int) bool
	// Judge tells what an error of a request means; nil: every one is a Fault.
	Judge Judge
	// Tracer takes a span of each chunk; nil: nobody wants them.
	Tracer *trace.Tracer
}

// Worker works on chunks of any job. It is safe for concurrent use.
type Worker struct {
	ledger *ledger
	store  Store
	bell   *Bell
	plan   Plan
	cfg    WorkerConfig
	asker  asker

	troubles rate.Sometimes // tells of Redis or the store failing
}

// NewWorker returns a worker that asks by plan, and starts nothing.
func NewWorker(rdb redis.UniversalClient, store Store, bell *Bell, plan Plan, cfg WorkerConfig) *Worker {
	cfg.Chunks = cmp.Or(cfg.Chunks, 2)
	cfg.Asks = cmp.Or(cfg.Asks, 8)
	cfg.Lease = cmp.Or(cfg.Lease, 10*time.Second)
	cfg.Turn = cmp.Or(cfg.Turn, 10*time.Second)
	cfg.Retention = cmp.Or(cfg.Retention, DefaultRetention)
	return &Worker{
		ledger: newLedger(rdb, cfg.Namespace, cfg.Retention), store: store, bell: bell, plan: plan, cfg: cfg,
		asker: newAsker(cfg.Log, cfg.Asks, cfg.Judge), troubles: rate.Sometimes{Interval: troubleEvery},
	}
}

const (
	// idleLook is how often an idle worker looks for work unasked, give or
	// take a half; a lapsed lease rings no bell.
	idleLook = 2 * time.Second
	// troubleLook is the same when Redis or the store failed.
	troubleLook = time.Second
	// partingTimeout bounds what a worker still saves when it has to stop.
	partingTimeout = 3 * time.Second
	// troubleEvery is how often the log tells of the same trouble.
	troubleEvery = time.Minute
)

// Run works until ctx ends, saves what is under way, gives its chunks back and
// returns nil.
func (w *Worker) Run(ctx context.Context) error {
	var hands sync.WaitGroup
	for range w.cfg.Chunks {
		hands.Go(func() { w.run(ctx) })
	}
	hands.Wait()
	return nil
}

func (w *Worker) run(ctx context.Context) {
	changes, stop := w.bell.listen(hub.Any)
	defer stop()
	for ctx.Err() == nil {
		var c *claim
		var err error
		if w.cfg.MayStore == nil || w.cfg.MayStore(0) {
			c, err = w.ledger.claimNext(ctx, newID(), w.cfg.Lease)
		}
		look := pause.Around(idleLook, 0.5)
		if err == nil && c != nil {
			if err = w.work(ctx, c); err == nil {
				continue
			}
		}
		if err != nil && ctx.Err() == nil {
			look = pause.Around(troubleLook, 0.5)
			w.troubles.Do(func() { w.cfg.Log.Warn().Err(err).Msg("bulk worker in trouble, tries on") })
		}
		timer := time.NewTimer(look)
		select {
		case <-changes:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// work does a claimed chunk, or as much of it as it may. The error is one of
// Redis or of the store: the chunk then waits for its lease to lapse.
func (w *Worker) work(ctx context.Context, c *claim) error {
	job, s, err := w.ledger.read(ctx, c.job)
	if errors.Is(err, ErrNotFound) || err == nil && job.State != Running {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, span := w.begin(ctx, c, s)
	defer span.End()
	p, err := w.open(ctx, c, s)
	switch {
	case errors.Is(err, errNoBlob), errors.Is(err, errCorrupt):
		return w.failJob(ctx, c.job, err)
	case err != nil:
		span.Fail("the rows were not read")
		return err
	}
	span.SetNumber("geogate.rows", int64(len(p.rows)))
	if err := w.finish(ctx, p); err != nil {
		span.Fail("the answers were not saved")
		return err
	}
	return nil
}

// begin begins the span of a chunk, in the trace of the upload. Its rows are asked for in
// that trace and have no spans: a large job would leave no room for those of people. The
// job's id is a secret, so no span has it.
func (w *Worker) begin(ctx context.Context, c *claim, s *spec) (context.Context, *trace.Span) {
	within, span := trace.Start(trace.With(ctx, w.cfg.Tracer.Resume(s.Trace)), trace.Internal, "work on chunk")
	span.SetNumber("geogate.chunk", int64(c.chunk))
	return trace.With(ctx, trace.Scope{Context: trace.Parse(trace.Header(within))}), span
}

// failJob ends a job whose data is gone, unless the job itself is.
func (w *Worker) failJob(ctx context.Context, id string, cause error) error {
	if _, err := w.ledger.state(ctx, id); err != nil {
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	w.cfg.Log.Error().Err(cause).Msg("stored rows of a job are lost")
	if err := w.ledger.fail(ctx, id, "the stored rows are lost"); err != nil {
		return err
	}
	w.count(ctx, map[string]int{string(Failed): 1})
	w.bell.ring(ctx, id)
	return nil
}

// inHand is a chunk that a worker has in hand.
type inHand struct {
	*claim
	spec  *spec
	rows  []row
	board *board

	record chunkRecord // as last saved
	old    []string    // blobs that no record names any more
	saves  int
	kept   time.Time // when the store was last told to keep the job
}

func (w *Worker) open(ctx context.Context, c *claim, s *spec) (*inHand, error) {
	blob, err := w.store.Get(ctx, c.job, inputBlob(c.chunk))
	if err != nil {
		return nil, err
	}
	rows, err := decodeRows(blob)
	if err != nil {
		return nil, err
	}
	answers := make([]done, len(rows))
	if c.stored.blob != "" { // another worker began it
		if blob, err = w.store.Get(ctx, c.job, c.stored.blob); err != nil {
			return nil, err
		}
		if answers, err = decodeAnswers(blob); err != nil {
			return nil, err
		}
		if len(answers) != len(rows) {
			return nil, errCorrupt
		}
	}
	return &inHand{claim: c, spec: s, rows: rows, board: newBoard(answers), record: c.stored}, nil
}

// finish asks for the rows of a chunk while it keeps the lease, and ends with
// the chunk finished, given back, or taken away.
func (w *Worker) finish(ctx context.Context, p *inHand) error {
	asking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	asked := make(chan error, 1)
	go func() { asked <- w.ask(asking, p) }()

	changes, deaf := w.bell.listen(p.job)
	defer deaf()
	sign := time.NewTicker(w.cfg.Lease / 5)
	defer sign.Stop()
	turn := time.Now()
	for {
		var err error
		select {
		case err = <-asked:
			return w.part(ctx, p, err)
		case <-changes: // mostly our own; a deletion is somebody else's
			if _, err = w.ledger.state(ctx, p.job); errors.Is(err, ErrNotFound) {
				err = errGone
			}
		case <-sign.C:
			err = w.save(ctx, p, renew)
			if err == nil && time.Since(turn) > w.cfg.Turn && w.ledger.others(ctx, p.job) {
				err = errTurn
			}
		}
		if errors.Is(err, errGone) || errors.Is(err, errLost) || errors.Is(err, errTurn) {
			stop(err)
		} else if err != nil && ctx.Err() == nil { // others may have the chunk before this ends
			w.cfg.Log.Warn().Err(err).Msg("cannot renew the lease of a chunk")
		}
	}
}

// errTurn ends the work on a chunk so that other jobs get their turn.
var errTurn = errors.New("other jobs wait")

// part saves a chunk for the last time. cause is nil when all rows are done.
func (w *Worker) part(ctx context.Context, p *inHand, cause error) error {
	if errors.Is(cause, errGone) || errors.Is(cause, errLost) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), partingTimeout)
	defer cancel()
	act := release
	if cause == nil {
		act = finish
	}
	err := w.save(ctx, p, act)
	if errors.Is(err, errGone) || errors.Is(err, errLost) {
		return nil
	}
	if cause != nil && !errors.Is(cause, errTurn) && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// save stores the answers so far under a new name, if there are new ones, and
// tells the ledger, which has the last word on whose chunk it is.
func (w *Worker) save(ctx context.Context, p *inHand, act string) error {
	answers, counts := p.board.snapshot()
	var record *chunkRecord
	if counts.Done > p.record.Done || act == finish {
		p.saves++
		record = &chunkRecord{Counts: counts, blob: fmt.Sprintf("out-%d-%s-%d", p.chunk, p.token, p.saves)}
		if act == finish {
			record.sizes = newRenderer(p.spec).measure(p.chunk == 0, p.rows, answers)
		}
		if err := w.store.Put(ctx, p.job, record.blob, encodeAnswers(answers)); err != nil {
			if errors.Is(err, errNoBlob) {
				return errGone
			}
			return err
		}
	}
	if time.Since(p.kept) > w.cfg.Retention/100 || act == finish {
		if err := w.store.Keep(ctx, p.job, w.cfg.Retention); err != nil && !errors.Is(err, errNoBlob) {
			return err
		}
		p.kept = time.Now()
	}
	state, err := w.ledger.save(ctx, p.claim, act, record, w.cfg.Lease)
	if err != nil {
		return err
	}
	if record == nil {
		return nil
	}
	grown := map[string]int{
		rowsOf(OutcomeFound): counts.Found - p.record.Found, rowsOf(OutcomeEmpty): counts.Empty - p.record.Empty,
		rowsOf(OutcomeInvalid): counts.Invalid - p.record.Invalid, rowsOf(OutcomeFailed): counts.Failed - p.record.Failed,
	}
	if state == Finished {
		grown[string(Finished)] = 1
	}
	w.count(ctx, grown)
	if p.record.blob != "" {
		p.old = append(p.old, p.record.blob)
	}
	p.record = *record
	w.bell.ring(ctx, p.job)
	if len(p.old) > 0 && w.store.Remove(ctx, p.job, p.old...) == nil { // else with the job
		p.old = nil
	}
	return nil
}

// count adds to the figures that people watch; the work does not depend on them.
func (w *Worker) count(ctx context.Context, grown map[string]int) {
	if err := w.ledger.count(ctx, grown); err != nil {
		w.troubles.Do(func() { w.cfg.Log.Warn().Err(err).Msg("figures of bulk jobs not counted") })
	}
}

// ask asks for every row that has no answer yet.
func (w *Worker) ask(ctx context.Context, p *inHand) error {
	groups := p.board.group(p.spec, p.rows, w.plan)
	hashes := make([]string, len(groups))
	for i := range groups {
		hashes[i] = groups[i].hash()
	}
	if len(groups) == 0 {
		return nil
	}
	told, err := w.ledger.heldAnswers(ctx, p.job, hashes)
	if err != nil {
		return err
	}
	open := groups[:0]
	for i := range groups {
		if told[i].Outcome == "" {
			open = append(open, groups[i])
			continue
		}
		told[i].Cached = true
		p.board.answer(groups[i], told[i])
	}
	return w.asker.ask(ctx, open, func(g *group, a Answer) error {
		d := doneOf(a)
		if a.Held < heldByCache && (a.Outcome == OutcomeFound || a.Outcome == OutcomeEmpty) {
			pair := []any{g.hash(), appendAnswer(nil, &d)}
			if err := w.ledger.holdAnswers(ctx, p.job, pair); err != nil {
				return err
			}
		}
		p.board.answer(g, d)
		return nil
	})
}

// heldByCache: what the cache holds for so long need not be held by the job.
// Beyond it a job that meets the same question again asks for a fresh answer.
const heldByCache = time.Hour

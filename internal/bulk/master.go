package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/trace"
)

// Config adjusts a Master; the zero value of each field means what its comment
// says.
type Config struct {
	Log zerolog.Logger
	// Namespace begins every Redis key; empty: "geogate".
	Namespace string
	// MaxBytes and MaxRows bound an upload; 0: DefaultMaxBytes, DefaultMaxRows.
	MaxBytes int64
	MaxRows  int
	// MaxJobs and MaxTotalBytes bound what is kept of all jobs, MaxClientJobs and
	// MaxClientBytes what is kept of the jobs of one client; 0: the Default of the
	// same name.
	MaxJobs, MaxClientJobs        int
	MaxTotalBytes, MaxClientBytes int64
	// Retention is how long a job is kept after it was last worked on; 0:
	// DefaultRetention.
	Retention time.Duration
	// MayStore is asked at the beginning of an upload, with 0, and before a chunk
	// of so many bytes is stored; false ends the upload with ErrNoRoom. nil:
	// everything is stored.
	MayStore func(bytes int) bool
}

// Master takes jobs in, reports on them and hands their results out. The
// work is done by Workers, in this process or in others. It is safe for
// concurrent use.
type Master struct {
	store   Store
	ledger  *ledger
	account *account
	bell    *Bell
	cfg     Config
}

// NewMaster returns a master and starts nothing. Jobs are found by the masters
// and workers that share rdb, store and namespace.
func NewMaster(rdb redis.UniversalClient, store Store, bell *Bell, cfg Config) *Master {
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, DefaultMaxBytes)
	cfg.MaxRows = cmp.Or(cfg.MaxRows, DefaultMaxRows)
	cfg.Retention = cmp.Or(cfg.Retention, DefaultRetention)
	cfg.MaxJobs = cmp.Or(cfg.MaxJobs, DefaultMaxJobs)
	cfg.MaxClientJobs = cmp.Or(cfg.MaxClientJobs, DefaultMaxClientJobs)
	cfg.MaxTotalBytes = cmp.Or(cfg.MaxTotalBytes, DefaultMaxTotalBytes)
	cfg.MaxClientBytes = cmp.Or(cfg.MaxClientBytes, DefaultMaxClientBytes)
	m := &Master{store: store, ledger: newLedger(rdb, cfg.Namespace, cfg.Retention), bell: bell, cfg: cfg}
	m.account = &account{rdb: rdb, ledger: m.ledger, cfg: &m.cfg}
	return m
}

const (
	// uploadLife is how long what was uploaded outlives a process that died
	// before the end of the upload; each chunk begins it anew.
	uploadLife = 10 * time.Minute
	// sweepInterval is how often a store that needs it is swept.
	sweepInterval = 10 * time.Minute
	// cleanupTimeout bounds what is done after a caller has gone.
	cleanupTimeout = 5 * time.Second
)

// MaxBytes is the size of the largest upload.
func (m *Master) MaxBytes() int64 { return m.cfg.MaxBytes }

// Create reads an upload to its end and makes a job of it. Nothing is left of
// an upload that fails. The error is an *InputError, a *LimitError, ErrFull, ErrNoRoom,
// ErrClientFull, ErrUnavailable, or that of u.Body.
func (m *Master) Create(ctx context.Context, u Upload) (Job, error) {
	id := newID()
	s, err := m.take(ctx, id, u)
	if err == nil {
		now := time.Now()
		if err = m.ledger.open(ctx, id, u.Owner, s, now); err == nil {
			m.bell.ring(ctx, id)
			return Job{ID: id, State: Queued, Rows: s.Rows, Version: 1, CreatedAt: now}, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if eraseErr := m.erase(ctx, id); eraseErr != nil {
		m.cfg.Log.Warn().Err(eraseErr).Msg("refused upload left to expire")
	}
	return Job{}, fmt.Errorf("create job: %w", err)
}

// take stores the chunks of an upload, each after it was charged for.
func (m *Master) take(ctx context.Context, id string, u Upload) (*spec, error) {
	if err := m.account.settle(ctx); err != nil {
		return nil, err
	}
	charge := int64(jobCharge)
	grow := func(bytes int) error {
		if !m.mayStore(bytes) {
			return ErrNoRoom
		}
		charge += int64(bytes)
		return m.account.charge(ctx, id, u.Client, charge)
	}
	if err := grow(0); err != nil {
		return nil, err
	}
	u.Body = &limitedReader{ctx: ctx, r: u.Body, limit: m.cfg.MaxBytes}
	rows, err := readRows(u)
	if err != nil {
		return nil, err
	}
	rows.spec.Trace = trace.Header(ctx)
	if err := m.store.Create(ctx, id, uploadLife); err != nil {
		return nil, err
	}
	kept, charged := time.Now(), 0
	err = rows.readChunks(ctx, m.cfg.MaxRows, func(n int, chunk []byte) error {
		if time.Since(kept) > uploadLife/10 {
			if err := m.store.Keep(ctx, id, uploadLife); err != nil {
				return err
			}
			kept = time.Now()
		}
		if err := grow(len(chunk) + 2*blobCharge + (rows.spec.Rows-charged)*rowCharge); err != nil {
			return err
		}
		charged = rows.spec.Rows
		return m.store.Put(ctx, id, inputBlob(n), chunk)
	})
	if err != nil {
		return nil, err
	}
	if err := grow(len(rows.spec.encode())); err != nil {
		return nil, err
	}
	return &rows.spec, m.store.Keep(ctx, id, m.cfg.Retention)
}

func (m *Master) mayStore(bytes int) bool { return m.cfg.MayStore == nil || m.cfg.MayStore(bytes) }

// inputBlob names the rows of a chunk.
func inputBlob(n int) string { return "in-" + strconv.Itoa(n) }

// Job returns the present state of a job, or ErrNotFound.
func (m *Master) Job(ctx context.Context, id string) (Job, error) {
	job, err := m.ledger.state(ctx, id)
	if err != nil {
		return Job{}, fmt.Errorf("read job: %w", err)
	}
	if job.State == Running && job.Done > 0 {
		spent := time.Since(job.StartedAt)
		left := time.Duration(float64(spent) / float64(job.Done) * float64(job.Rows-job.Done))
		job.ETA = time.Now().Add(left)
	}
	return job, nil
}

// lookAgain is how often a waiting call looks without being woken.
const lookAgain = 3 * time.Second

// Wait returns the job as soon as it has another version than after, and has
// ended or not. It returns the job unchanged when ctx ends first. A job that is
// deleted meanwhile ends the wait with ErrNotFound.
func (m *Master) Wait(ctx context.Context, id string, after int64) (Job, error) {
	changes, stop := m.bell.listen(id)
	defer stop()
	for {
		job, err := m.Job(context.WithoutCancel(ctx), id)
		if err != nil || job.Version != after || job.State.Ended() || ctx.Err() != nil {
			return job, err
		}
		look := time.NewTimer(lookAgain)
		select {
		case <-changes:
		case <-look.C:
		case <-ctx.Done():
		}
		look.Stop()
	}
}

// Delete stops a job and erases all of it, or returns ErrNotFound. The data
// goes first: should the rest fail, the job is still there to be deleted.
func (m *Master) Delete(ctx context.Context, id string) error {
	if !validID(id) {
		return fmt.Errorf("delete job: %w", ErrNotFound)
	}
	job, err := m.ledger.state(ctx, id)
	if err != nil {
		return fmt.Errorf("delete job: %w", err)
	}
	if err := m.erase(ctx, id); err != nil {
		return fmt.Errorf("delete job: %w", err)
	}
	if !job.State.Ended() {
		if err := m.ledger.count(ctx, map[string]int{string(Cancelled): 1}); err != nil {
			m.cfg.Log.Debug().Err(err).Msg("deletion not counted")
		}
	}
	m.bell.ring(ctx, id)
	return nil
}

func (m *Master) erase(ctx context.Context, id string) error {
	if err := m.store.Erase(ctx, id); err != nil {
		return err
	}
	if err := m.account.release(ctx, id); err != nil {
		return err
	}
	_, err := m.ledger.erase(ctx, id)
	return err
}

// Run sweeps the store and settles what has expired until ctx ends, and returns
// nil.
func (m *Master) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		if err := errors.Join(m.store.Sweep(ctx), m.account.settle(ctx)); err != nil && ctx.Err() == nil {
			m.cfg.Log.Warn().Err(err).Msg("cannot sweep the job store")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// IsBodyError reports whether err is that of an upload's own reader: the
// client went away or was too slow.
func IsBodyError(err error) bool { return errors.Is(err, errBody) }

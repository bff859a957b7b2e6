package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Result is the result of a finished job, rendered while it is read: its length
// is known, every reading gives the same bytes, and it may begin anywhere. It
// holds one chunk in memory. It is for one goroutine.
type Result struct {
	// ETag identifies the bytes.
	ETag    string
	ModTime time.Time // when the job finished

	ctx      context.Context //nolint:containedctx // of the request that reads: io.ReadSeeker has no place for it
	master   *Master
	id       string
	renderer *renderer
	variant  int
	records  []chunkRecord
	starts   []int64 // of head, each chunk, foot; then the length

	at      int64
	section int // that buf holds; -1: none
	buf     []byte
}

// Result opens the result of a finished job. It returns ErrNotFound, a
// *StateError while there is none, or an *InputError for an unknown format.
// Reading stops when ctx ends.
func (m *Master) Result(ctx context.Context, id string, r Rendering) (*Result, error) {
	variant, err := r.variant()
	if err != nil {
		return nil, err
	}
	job, s, err := m.ledger.read(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open result: %w", err)
	}
	if job.State != Finished {
		return nil, fmt.Errorf("open result: %w", &StateError{job.State})
	}
	if s.Rendering != renderingVersion {
		return nil, fmt.Errorf("open result: job is of another version of geogate: %w", ErrUnavailable)
	}
	records, err := m.ledger.records(ctx, id, s.Chunks)
	if err != nil {
		return nil, fmt.Errorf("open result: %w", err)
	}
	result := &Result{
		ETag:    fmt.Sprintf(`"%s-%d-%d"`, id, renderingVersion, variant),
		ModTime: job.EndedAt,
		ctx:     ctx, master: m, id: id, renderer: newRenderer(s), variant: variant, records: records, section: -1,
	}
	at := int64(0)
	add := func(n int64) { result.starts = append(result.starts, at); at += n }
	add(int64(len(result.renderer.head(variant))))
	for i := range records {
		if records[i].blob == "" {
			return nil, fmt.Errorf("open result: %w", errCorrupt)
		}
		add(records[i].sizes[variant])
	}
	add(int64(len(result.renderer.foot(variant))))
	add(0)
	return result, nil
}

// Len is the length in bytes.
func (r *Result) Len() int64 { return r.starts[len(r.starts)-1] }

var errSeek = errors.New("seek before the beginning")

// Seek implements io.Seeker.
func (r *Result) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.Len()
	}
	if offset < 0 {
		return 0, errSeek
	}
	r.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (r *Result) Read(p []byte) (int, error) {
	if r.at >= r.Len() {
		return 0, io.EOF
	}
	section := r.sectionAt(r.at)
	if section != r.section {
		if err := r.load(section); err != nil {
			return 0, fmt.Errorf("read result: %w", err)
		}
	}
	n := copy(p, r.buf[r.at-r.starts[section]:])
	r.at += int64(n)
	return n, nil
}

// sectionAt finds the section that holds a byte; sections may be empty.
func (r *Result) sectionAt(at int64) int {
	low, high := 0, len(r.starts)-1
	for low+1 < high {
		if middle := (low + high) / 2; r.starts[middle] <= at {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func (r *Result) load(section int) error {
	switch chunk := section - 1; {
	case section == 0:
		r.buf = r.renderer.head(r.variant)
	case chunk == len(r.records):
		r.buf = r.renderer.foot(r.variant)
	default:
		rows, answers, err := r.master.chunk(r.ctx, r.id, chunk, r.records[chunk])
		if err != nil {
			return err
		}
		r.buf = r.renderer.rows(r.buf[:0], r.variant, chunk == 0, rows, answers)
	}
	if want := r.starts[section+1] - r.starts[section]; int64(len(r.buf)) != want {
		return fmt.Errorf("%w: section %d has %d bytes, want %d", errCorrupt, section, len(r.buf), want)
	}
	r.section = section
	return nil
}

// chunk returns the rows of a chunk and its answers so far.
func (m *Master) chunk(ctx context.Context, id string, n int, record chunkRecord) ([]row, []done, error) {
	blob, err := m.store.Get(ctx, id, inputBlob(n))
	if err != nil {
		return nil, nil, err
	}
	rows, err := decodeRows(blob)
	if err != nil {
		return nil, nil, err
	}
	if blob, err = m.store.Get(ctx, id, record.blob); err != nil {
		return nil, nil, err
	}
	answers, err := decodeAnswers(blob)
	if err == nil && len(answers) != len(rows) {
		err = errCorrupt
	}
	return rows, answers, err
}

// WritePartial writes the rows that have an answer by now, in order, to w. On
// a finished job that is the whole result.
func (m *Master) WritePartial(ctx context.Context, id string, r Rendering, w io.Writer) error {
	variant, err := r.variant()
	if err != nil {
		return err
	}
	_, s, err := m.ledger.read(ctx, id)
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	records, err := m.ledger.records(ctx, id, s.Chunks)
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	rendering := newRenderer(s)
	if _, err := w.Write(rendering.head(variant)); err != nil {
		return err
	}
	var buf []byte
	first := true
	for n := range records {
		rows, answers, err := m.chunkNow(ctx, id, n, records[n])
		if err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		if buf = rendering.rows(buf[:0], variant, first, rows, answers); len(buf) == 0 {
			continue
		}
		first = false
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	_, err = w.Write(rendering.foot(variant))
	return err
}

// chunkNow is chunk for one that a worker may have in hand: its answers are stored
// under a new name every few seconds.
func (m *Master) chunkNow(ctx context.Context, id string, n int, record chunkRecord) ([]row, []done, error) {
	for range 5 {
		if record.blob == "" {
			return nil, nil, nil
		}
		rows, answers, err := m.chunk(ctx, id, n, record)
		if !errors.Is(err, errNoBlob) {
			return rows, answers, err
		}
		if record, err = m.ledger.record(ctx, id, n); err != nil {
			return nil, nil, err
		}
	}
	if _, err := m.Job(ctx, id); err != nil {
		return nil, nil, err
	}
	return nil, nil, fmt.Errorf("chunk %s: %w", strconv.Itoa(n), ErrUnavailable)
}

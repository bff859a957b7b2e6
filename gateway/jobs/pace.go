package jobs

import (
	"context"
	"fmt"
	"io"
	"time"
)

const (
	// leastRate is how many bytes a second a client has to send of an upload or
	// take of a result, on average: what a bad telephone line manages. An upload
	// of 256 MiB ends after 4.7 hours at worst.
	leastRate = 16 << 10
	// paceWindow is for how long a client may be slower, or pause: the credit that
	// it begins with, and the most that it can have.
	paceWindow = 30 * time.Second
	// pieceBytes is how much of a result is written in one go: a pace is known
	// only between pieces.
	pieceBytes = 32 << 10
)

// pace gives a client time as long as it keeps to leastRate. Each byte earns time
// and waiting for the client spends it; what geogate does meanwhile costs the
// client nothing.
type pace struct {
	credit time.Duration
	until  time.Time // the deadline that is set
}

func newPace() pace { return pace{credit: paceWindow} }

// begin sets the deadline of the next read or write, unless one that is set is
// about the same: a trickle needs a deadline only every few seconds. Whoever ends
// ctx sets a deadline afterwards; hence the look at ctx comes last.
func (p *pace) begin(ctx context.Context, now time.Time, set func(time.Time) error) error {
	until := now.Add(max(p.credit, 0))
	if off := until.Sub(p.until); off.Abs() >= paceWindow/10 {
		if err := set(until); err != nil {
			return err
		}
		p.until = until
	}
	return context.Cause(ctx)
}

// end counts n bytes that took so long.
func (p *pace) end(n int, took time.Duration) {
	earned := time.Duration(n) * time.Second / leastRate
	p.credit = min(paceWindow, p.credit-took+earned)
}

// pacedBody is the body of an upload, whose client has to keep pace. When it does
// not, reading fails with os.ErrDeadlineExceeded.
type pacedBody struct {
	ctx  context.Context //nolint:containedctx // of the request that it belongs to
	r    io.Reader
	set  func(deadline time.Time) error
	pace pace
}

func (b *pacedBody) Read(to []byte) (int, error) {
	began := time.Now()
	if err := b.pace.begin(b.ctx, began, b.set); err != nil {
		return 0, fmt.Errorf("read upload: %w", err)
	}
	n, err := b.r.Read(to)
	b.pace.end(n, time.Since(began))
	return n, err
}

// pacedWriter is a long answer, whose client has to keep pace. Nothing is held of
// it but what is being written.
type pacedWriter struct {
	ctx   context.Context //nolint:containedctx // of the request that it belongs to
	w     io.Writer
	set   func(deadline time.Time) error
	pace  pace
	begun bool
}

func (w *pacedWriter) Write(b []byte) (written int, err error) {
	for err == nil && written < len(b) {
		began := time.Now()
		if err := w.pace.begin(w.ctx, began, w.set); err != nil {
			return written, fmt.Errorf("send result: %w", err)
		}
		w.begun = true
		var n int
		n, err = w.w.Write(b[written:min(len(b), written+pieceBytes)])
		w.pace.end(n, time.Since(began))
		written += n
	}
	return written, err
}

package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

// Local geocodes a file in one go in this process, without a job: what the
// command line does when no server is named. Its zero fields mean what those of
// WorkerConfig mean.
type Local struct {
	Plan  Plan
	Log   zerolog.Logger
	Asks  int
	Judge Judge
}

// Checkpoint is how far a conversion is: what has been written and can be gone
// on from.
type Checkpoint struct {
	Rows   int   `json:"rows"`  // written
	Bytes  int64 `json:"bytes"` // written
	Counts       // of the rows written
}

// maxHeld bounds the answers that a conversion remembers because the cache will
// not.
const maxHeld = 100_000

// Convert reads the file that u tells of from in, and writes it with its
// answers to out, from where a former call was interrupted; out has to end
// there. progress is called with what has been written so far and the number of
// rows in all; its error ends the conversion. The returned checkpoint is true
// whatever the error.
func (l *Local) Convert(ctx context.Context, in io.ReadSeeker, u Upload, r Rendering, out io.Writer,
	from Checkpoint, progress func(c Checkpoint, rows int) error,
) (Checkpoint, error) {
	variant, err := r.variant()
	if err != nil {
		return from, err
	}
	whole, err := scan(ctx, in, u)
	if err != nil {
		return from, err
	}
	c := &conversion{
		asker:  newAsker(l.Log, cmp.Or(l.Asks, 8), l.Judge),
		plan:   l.Plan,
		spec:   whole,
		render: newRenderer(whole), variant: variant,
		out: out, at: from,
		held:     map[string]done{},
		progress: func(at Checkpoint) error { return progress(at, whole.Rows) },
	}
	err = c.run(ctx, in, u)
	return c.at, err
}

// scan reads a file once to know its columns and rows.
func scan(ctx context.Context, in io.ReadSeeker, u Upload) (*spec, error) {
	rows, err := rewind(in, u)
	if err != nil {
		return nil, err
	}
	if err := rows.readChunks(ctx, DefaultMaxRows, func(int, []byte) error { return nil }); err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return &rows.spec, nil
}

func rewind(in io.ReadSeeker, u Upload) (*rowReader, error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	u.Body = in
	rows, err := readRows(u)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return rows, nil
}

type conversion struct {
	asker    asker
	plan     Plan
	spec     *spec
	render   *renderer
	variant  int
	out      io.Writer
	at       Checkpoint
	held     map[string]done
	progress func(Checkpoint) error
	buf      []byte
}

func (c *conversion) run(ctx context.Context, in io.ReadSeeker, u Upload) error {
	if c.at.Bytes == 0 {
		if err := c.write(c.render.head(c.variant)); err != nil {
			return err
		}
	}
	rows, err := rewind(in, u)
	if err != nil {
		return err
	}
	seen := 0
	err = rows.readChunks(ctx, DefaultMaxRows, func(_ int, chunk []byte) error {
		list, err := decodeRows(chunk)
		if err != nil {
			return err
		}
		skip := min(len(list), max(0, c.at.Rows-seen))
		seen += len(list)
		if skip == len(list) {
			return nil
		}
		return c.chunk(ctx, list[skip:])
	})
	if err != nil {
		return err
	}
	return c.write(c.render.foot(c.variant))
}

// chunk asks for some rows and writes them: all, or those before the first one
// without an answer when it has to stop.
func (c *conversion) chunk(ctx context.Context, rows []row) error {
	b := newBoard(make([]done, len(rows)))
	groups := b.group(c.spec, rows, c.plan)
	open := groups[:0]
	for _, g := range groups {
		if d, told := c.held[g.hash()]; told {
			b.answer(g, d)
		} else {
			open = append(open, g)
		}
	}
	askErr := c.asker.ask(ctx, open, func(g *group, a Answer) error {
		d := doneOf(a)
		b.answer(g, d)
		if a.Held < heldByCache && (a.Outcome == OutcomeFound || a.Outcome == OutcomeEmpty) {
			c.hold(b, g.hash(), d)
		}
		return nil
	})
	answers, _ := b.snapshot()
	n := 0
	for n < len(answers) && answers[n].Outcome != "" {
		n++
	}
	c.buf = c.render.rows(c.buf[:0], c.variant, c.at.Rows == 0, rows[:n], answers[:n])
	if err := c.write(c.buf); err != nil {
		return err
	}
	c.at.Rows += n
	c.at.plus(count(answers[:n]))
	return errors.Join(askErr, c.progress(c.at))
}

// hold remembers an answer; b's lock guards the map while asks run.
func (c *conversion) hold(b *board, hash string, d done) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(c.held) < maxHeld {
		d.Cached = true
		c.held[hash] = d
	}
}

func (c *conversion) write(p []byte) error {
	if _, err := c.out.Write(p); err != nil {
		return fmt.Errorf("write result: %w", err) // what comes after at.Bytes does not count
	}
	c.at.Bytes += int64(len(p))
	return nil
}

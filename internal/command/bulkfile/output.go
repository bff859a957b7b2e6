// Package bulkfile geocodes one file, here or on another geogate. A run that was
// interrupted resumes where it was when it is started again.
package bulkfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"geogate/internal/bulk"
)

// Task is what to do with which file.
type Task struct {
	File      string   // its name; - for standard input, of which In is a copy
	In        *os.File // read from its beginning, more than once
	Output    string   // name of the result; empty: Stdout
	Stdout    io.Writer
	Server    string      // URL of the geogate that does the work; empty: this process does
	Format    bulk.Format // of the input; empty: by its content
	Options   bulk.Options
	Rendering bulk.Rendering
	Progress  *Progress
}

// state is what a run leaves beside its output for the next one.
type state struct {
	Of    string          `json:"of"` // what was asked of which file
	JobID string          `json:"job_id,omitempty"`
	At    bulk.Checkpoint `json:"at"`
}

// Run is one run of a task. It belongs to one goroutine.
type Run struct {
	Task
	out   *os.File // the output, or the part of it that exists
	state state
}

func (t *Task) partFile() string  { return t.Output + ".part" }
func (t *Task) stateFile() string { return t.Output + ".part.json" }

// Begin opens the output. A run continues what an earlier run of the same task
// has left. End closes it.
func Begin(t Task) (*Run, error) {
	run := &Run{Task: t}
	if t.Output == "" {
		stdout, isFile := t.Stdout.(*os.File)
		if !isFile {
			return nil, errors.New("write result: name a file with -o")
		}
		run.out = stdout
		return run, nil
	}
	of, err := t.identity()
	if err != nil {
		return nil, err
	}
	run.state.Of = of
	var left state
	text, err := os.ReadFile(t.stateFile())
	if err == nil && json.Unmarshal(text, &left) == nil && left.Of == of {
		run.state = left
	}
	run.out, err = os.OpenFile(t.partFile(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	size, err := run.out.Seek(0, io.SeekEnd)
	if err == nil && size < run.state.At.Bytes { // shorter than it was left
		run.state = state{Of: of, JobID: run.state.JobID}
	}
	if err == nil && t.Server == "" {
		err = run.out.Truncate(run.state.At.Bytes)
	}
	if err == nil && t.Server == "" {
		_, err = run.out.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	return run, nil
}

// identity tells apart what must not be mixed in one output.
func (t *Task) identity() (string, error) {
	info, err := t.In.Stat()
	if err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	changed := info.ModTime().UTC().Format(time.RFC3339Nano)
	if t.File == "-" {
		changed = ""
	}
	text, err := json.Marshal(struct {
		File    string
		Size    int64
		Changed string
		Server  string
		Options bulk.Options
		Format  bulk.Format
		Safe    bool
	}{t.File, info.Size(), changed, t.Server, t.Options, t.Rendering.Format, t.Rendering.Safe})
	return string(text), err
}

// save notes how far the run is. The output is on disk before that is said.
func (run *Run) save() error {
	if run.Output == "" {
		return nil
	}
	text, err := json.Marshal(run.state)
	if err == nil {
		err = run.out.Sync()
	}
	if err == nil {
		err = os.WriteFile(run.stateFile()+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(run.stateFile()+".new", run.stateFile())
	}
	if err != nil {
		return fmt.Errorf("note progress: %w", err)
	}
	return nil
}

// End gives the output its name, or says how to resume after err.
func (run *Run) End(counts bulk.Counts, err error) error {
	run.Progress.end(counts, err)
	if run.Output == "" {
		return err
	}
	if err != nil {
		return run.interrupted(err)
	}
	err = errors.Join(run.out.Sync(), run.out.Close(), os.Rename(run.partFile(), run.Output))
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.Remove(run.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func (run *Run) interrupted(err error) error {
	_ = run.out.Close()
	var input *bulk.InputError
	if errors.As(err, &input) || run.state.JobID == "" && run.state.At.Bytes == 0 {
		_ = os.Remove(run.partFile())
		_ = os.Remove(run.stateFile())
		return err
	}
	return fmt.Errorf("%w\nRun the same command again to resume there", err)
}

// saveEvery bounds what is done again after a crash.
const saveEvery = 2 * time.Second

// Here does the work in this process.
func (run *Run) Here(ctx context.Context, local bulk.Local) (bulk.Counts, error) {
	saved := time.Now()
	end, err := local.Convert(ctx, run.In, bulk.Upload{Format: run.Format, Options: run.Options}, run.Rendering,
		run.out, run.state.At,
		func(at bulk.Checkpoint, rows int) error {
			run.Progress.tell(at.Counts, rows)
			if time.Since(saved) < saveEvery {
				return nil
			}
			saved, run.state.At = time.Now(), at
			return run.save()
		})
	if err != nil && end.Rows > 0 {
		run.state.At = end
		err = errors.Join(err, run.save())
	}
	return end.Counts, err
}

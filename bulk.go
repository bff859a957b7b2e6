package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"geogate/gateway"
	"geogate/internal/bulk"
)

type bulkCmd struct {
	File         string   `arg:"" help:"CSV or NDJSON file; - for standard input."`
	Output       string   `short:"o" help:"Where to write; an interrupted run goes on when it is started again. Default: standard output." placeholder:"FILE"`
	Server       string   `help:"Let this geogate do the work instead of asking the UPSTREAMS from here." placeholder:"URL"`
	Column       []string `help:"Columns, by name or number, that make up the question. Default: q, query or address, else the first." placeholder:"NAME"`
	Reverse      bool     `help:"Columns are latitude and longitude; find the address there."`
	Header       string   `help:"Whether the first row names the columns: auto, yes or no." enum:"auto,yes,no" default:"auto"`
	Format       string   `help:"Format of the result: csv, ndjson or geojson." enum:"csv,ndjson,geojson" default:"csv"`
	Safe         bool     `help:"Keep spreadsheets from taking cells for formulas."`
	Limit        int      `help:"Places that each question asks for; the best one is kept." default:"1"`
	Language     string   `help:"Languages of the answers, best first, such as de,en."`
	CountryCodes string   `name:"countrycodes" help:"Only in these countries, such as li,ch."`
	Keep         bool     `help:"Leave the job on the server instead of deleting it after the download."`
	JSON         bool     `help:"Tell progress as a JSON object a line."`
}

// Run geocodes the file. It is errPartly when rows were invalid or failed.
func (cmd *bulkCmd) Run(p *process) error {
	if cmd.Limit < 1 || cmd.Limit > 50 {
		return &bulk.InputError{Code: "invalid_limit", Detail: "--limit must be from 1 to 50"}
	}
	in, cleanUp, err := cmd.open()
	if err != nil {
		return err
	}
	defer cleanUp()
	run, err := cmd.begin(p, in)
	if err != nil {
		return err
	}
	var counts bulk.Counts
	if cmd.Server != "" {
		counts, err = run.onServer(p.ctx)
	} else {
		counts, err = run.here(p.ctx, p)
	}
	run.progress.end(counts, err)
	if err != nil {
		return run.interrupted(err)
	}
	if err := run.finish(); err != nil {
		return err
	}
	if counts.Invalid+counts.Failed > 0 {
		return errPartly
	}
	return nil
}

// open returns the file; standard input is copied to one, because it is read
// twice.
func (cmd *bulkCmd) open() (in *os.File, cleanUp func(), err error) {
	if cmd.File != "-" {
		in, err = os.Open(cmd.File)
		if err != nil {
			return nil, nil, fmt.Errorf("read file: %w", err)
		}
		return in, func() { _ = in.Close() }, nil
	}
	if in, err = os.CreateTemp("", "geogate-bulk-"); err != nil {
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	cleanUp = func() { _ = in.Close(); _ = os.Remove(in.Name()) }
	if _, err := io.Copy(in, os.Stdin); err != nil {
		cleanUp()
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	return in, cleanUp, nil
}

func (cmd *bulkCmd) options() bulk.Options {
	o := bulk.Options{
		Mode: bulk.Search, Columns: cmd.Column, Limit: cmd.Limit, Language: cmd.Language, CountryCodes: cmd.CountryCodes,
	}
	if cmd.Reverse {
		o.Mode = bulk.Reverse
	}
	if cmd.Header != "auto" {
		header := cmd.Header == "yes"
		o.Header = &header
	}
	return o
}

// inputFormat goes by the name of the file; empty: by its content.
func (cmd *bulkCmd) inputFormat() bulk.Format {
	switch strings.ToLower(filepath.Ext(cmd.File)) {
	case ".ndjson", ".jsonl":
		return bulk.NDJSON
	case ".csv", ".tsv", ".txt":
		return bulk.CSV
	}
	return ""
}

// bulkState is what a run leaves beside its output for the next one.
type bulkState struct {
	Of    string          `json:"of"` // what was asked of which file
	JobID string          `json:"job_id,omitempty"`
	At    bulk.Checkpoint `json:"at"`
}

// bulkRun is one run of the command.
type bulkRun struct {
	*bulkCmd
	in       *os.File
	out      *os.File // the output, or the part of it that there is
	state    bulkState
	progress *progress
}

func (cmd *bulkCmd) partFile() string  { return cmd.Output + ".part" }
func (cmd *bulkCmd) stateFile() string { return cmd.Output + ".part.json" }

// begin opens the output. A part of it that was left by a run of the same
// command over the same file is gone on from.
func (cmd *bulkCmd) begin(p *process, in *os.File) (*bulkRun, error) {
	run := &bulkRun{bulkCmd: cmd, in: in, progress: newProgress(p, cmd)}
	if cmd.Output == "" {
		stdout, isFile := p.stdout.(*os.File)
		if !isFile {
			return nil, errors.New("write result: name a file with -o")
		}
		run.out = stdout
		return run, nil
	}
	of, err := cmd.identity(in)
	if err != nil {
		return nil, err
	}
	run.state.Of = of
	var left bulkState
	text, err := os.ReadFile(cmd.stateFile())
	if err == nil && json.Unmarshal(text, &left) == nil && left.Of == of {
		run.state = left
	}
	run.out, err = os.OpenFile(cmd.partFile(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	size, err := run.out.Seek(0, io.SeekEnd)
	if err == nil && size < run.state.At.Bytes { // not what was left
		run.state = bulkState{Of: of, JobID: run.state.JobID}
	}
	if err == nil && cmd.Server == "" {
		err = run.out.Truncate(run.state.At.Bytes)
	}
	if err == nil && cmd.Server == "" {
		_, err = run.out.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, fmt.Errorf("write result: %w", err)
	}
	return run, nil
}

// identity tells apart what must not be mixed in one output.
func (cmd *bulkCmd) identity(in *os.File) (string, error) {
	info, err := in.Stat()
	if err != nil {
		return "", fmt.Errorf("read file: %w", err)
	}
	changed := info.ModTime().UTC().Format(time.RFC3339Nano)
	if cmd.File == "-" {
		changed = ""
	}
	text, err := json.Marshal(struct {
		File    string
		Size    int64
		Changed string
		Server  string
		Options bulk.Options
		Format  string
		Safe    bool
	}{cmd.File, info.Size(), changed, cmd.Server, cmd.options(), cmd.Format, cmd.Safe})
	return string(text), err
}

// save notes how far the run is; the output is on disk before that is said.
func (run *bulkRun) save() error {
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

// finish gives the output its name.
func (run *bulkRun) finish() error {
	if run.Output == "" {
		return nil
	}
	err := errors.Join(run.out.Sync(), run.out.Close(), os.Rename(run.partFile(), run.Output))
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.Remove(run.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// interrupted says how to go on.
func (run *bulkRun) interrupted(err error) error {
	if run.Output == "" {
		return err
	}
	_ = run.out.Close()
	var input *bulk.InputError
	if errors.As(err, &input) || run.state.JobID == "" && run.state.At.Bytes == 0 {
		_ = os.Remove(run.partFile())
		_ = os.Remove(run.stateFile())
		return err
	}
	return fmt.Errorf("%w\nRun the same command again to go on from there", err)
}

// saveEvery bounds what is done again after a crash.
const saveEvery = 2 * time.Second

// here does the work in this process.
func (run *bulkRun) here(ctx context.Context, p *process) (bulk.Counts, error) {
	var end bulk.Checkpoint
	err := withGeocoding(ctx, p, func(ctx context.Context, g *geocoding) error {
		local := bulk.Local{Plan: gateway.RowPlan(g.geocoder, g.cells), Judge: gateway.RowTrouble}
		saved := time.Now()
		var err error
		end, err = local.Convert(ctx, run.in,
			bulk.Upload{Format: run.inputFormat(), Options: run.options()},
			bulk.Rendering{Format: bulk.Format(run.Format), Safe: run.Safe},
			run.out, run.state.At,
			func(at bulk.Checkpoint, rows int) error {
				run.progress.tell(at.Counts, rows)
				if time.Since(saved) < saveEvery {
					return nil
				}
				saved, run.state.At = time.Now(), at
				return run.save()
			})
		return err
	})
	if err != nil && end.Rows > 0 {
		run.state.At = end
		err = errors.Join(err, run.save())
	}
	return end.Counts, err
}

package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"geogate/internal/bulk"
	"geogate/internal/command/bulkfile"
	"geogate/internal/terminal"
)

type bulkCmd struct {
	File         string   `arg:"" help:"CSV or NDJSON file; - for standard input."`
	Output       string   `short:"o" help:"File to write; an interrupted run resumes when you start it again. Default: standard output." placeholder:"FILE"`
	Server       string   `help:"Let this geogate do the work, instead of asking the UPSTREAMS from here." placeholder:"URL"`
	Column       []string `help:"Columns, by name or number, that make up the query. Default: q, query or address in many languages, else the first." placeholder:"NAME"`
	Reverse      bool     `help:"Columns are latitude and longitude; find the address there."`
	Header       string   `help:"Whether the first row names the columns: auto, yes or no." enum:"auto,yes,no" default:"auto"`
	Format       string   `help:"Format of the result: csv, excel (CSV that opens at a double click), ndjson or geojson." enum:"csv,excel,ndjson,geojson" default:"csv"`
	Safe         bool     `help:"Keep spreadsheets from reading cells as formulas."`
	Limit        int      `help:"Places to ask for in each row; the best one is kept." default:"1"`
	Language     string   `help:"Preferred languages of the answers, best first, such as de,en."`
	CountryCodes string   `name:"countrycodes" help:"Only in these countries, such as li,ch."`
	Keep         bool     `help:"Leave the job on the server instead of deleting it after the download."`
	JSON         bool     `help:"Print progress as one JSON object a line."`
}

// Run geocodes the file. It is errPartly when rows were invalid or failed.
func (cmd *bulkCmd) Run(ctx context.Context, p *Process) error {
	if cmd.Limit < 1 || cmd.Limit > 50 {
		return &bulk.InputError{Code: "invalid_limit", Detail: "--limit must be from 1 to 50"}
	}
	in, cleanUp, err := cmd.open(p.Stdin)
	if err != nil {
		return err
	}
	defer cleanUp()
	run, err := bulkfile.Begin(bulkfile.Task{
		File: cmd.File, In: in, Output: cmd.Output, Stdout: p.Stdout, Server: cmd.Server,
		Format: cmd.inputFormat(), Options: cmd.options(),
		Rendering: bulk.Rendering{Format: bulk.Format(cmd.Format), Safe: cmd.Safe},
		Progress:  cmd.progress(p),
	})
	if err != nil {
		return err
	}
	var counts bulk.Counts
	if cmd.Server != "" {
		counts, err = run.OnServer(ctx, userAgent(), cmd.Keep)
	} else {
		err = withGeocoding(ctx, p, func(ctx context.Context, g *geocoding) error {
			var err error
			counts, err = run.Here(ctx, g.rows())
			return err
		})
	}
	if err := run.End(counts, err); err != nil {
		return err
	}
	if counts.Invalid+counts.Failed > 0 {
		return errPartly
	}
	return nil
}

// progress goes where the result does not.
func (cmd *bulkCmd) progress(p *Process) *bulkfile.Progress {
	if !cmd.JSON {
		return bulkfile.NewProgress(p.Stderr, terminal.Is(p.Stderr), false)
	}
	if cmd.Output != "" {
		return bulkfile.NewProgress(p.Stdout, false, true)
	}
	return bulkfile.NewProgress(p.Stderr, false, true)
}

// open returns the file; standard input is copied to one, because it is read
// twice.
func (cmd *bulkCmd) open(stdin io.Reader) (in *os.File, cleanUp func(), err error) {
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
	if _, err := io.Copy(in, stdin); err != nil {
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

// inputFormat is what the name of the file says; empty: nothing.
func (cmd *bulkCmd) inputFormat() bulk.Format {
	switch strings.ToLower(filepath.Ext(cmd.File)) {
	case ".ndjson", ".jsonl":
		return bulk.NDJSON
	case ".csv", ".tsv", ".txt":
		return bulk.CSV
	}
	return ""
}

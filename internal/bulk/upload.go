package bulk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Upload is a file on its way in.
type Upload struct {
	Body    io.Reader
	Format  Format // CSV or NDJSON; empty: detect it
	Charset string // as in Content-Type; empty: detect it
	Options Options
	Client  string // who sends it, as far as limits go; empty: nobody in particular
	Owner   string // the subject whose job it becomes; empty: that of whoever knows its id
}

const (
	// chunkRows is how many rows a worker takes at a time: few enough that a
	// small job is shared, and many enough that a large one has thousands of
	// chunks and not more.
	chunkRows = 500
	// chunkBytes closes a chunk of long rows earlier. The row that fills it may be
	// as long as a record, three times as many bytes as it came in: a chunk has
	// 1 MiB at worst.
	chunkBytes = 256 << 10
	// chunkCells closes a chunk of many columns earlier: 16 bytes a cell are
	// 0.8 MB in memory for whoever works on it or downloads it.
	chunkCells = 50_000
	// chunkRendered closes a chunk earlier that would be long in a result, where
	// the names of the columns are in every row. With its last row, whose letters
	// may all have to be escaped, a chunk is rendered to 6 MiB at worst and
	// mostly to less than 1 MiB.
	chunkRendered = 1 << 20

	// maxRendered and renderedFactor bound what is rendered of the rows of an
	// upload: so many bytes, and so many for each byte that was uploaded. What
	// geogate adds to each row, maxPlaceText a text at worst, comes on top. 1 MB
	// of rows below 1,000 names becomes 132 MB at worst.
	maxRendered    = 128 << 20
	renderedFactor = 4
)

// rowReader reads the rows of an upload.
type rowReader struct {
	next func() (row, error) // io.EOF at the end
	spec spec                // without Rows and Chunks

	layout   layout
	columns  *nameList
	ndjson   *ndjsonReader
	options  Options
	body     *countingReader
	rendered int64 // bytes that the rows so far become in a result at most
}

// readRows looks at the beginning of an upload and returns its rows.
func readRows(u Upload) (*rowReader, error) {
	if u.Options.Mode == "" {
		u.Options.Mode = Search
	}
	body := &countingReader{r: u.Body}
	text, err := decodeText(body, u.Charset)
	if err != nil {
		return nil, err
	}
	if u.Format == "" {
		u.Format = formatOf(text)
	}
	r := &rowReader{options: u.Options, body: body, spec: spec{
		Mode: u.Options.Mode, Format: u.Format, Limit: max(1, u.Options.Limit),
		Language: u.Options.Language, CountryCodes: u.Options.CountryCodes, Rendering: renderingVersion,
	}}
	if u.Format == NDJSON {
		if len(u.Options.Columns) > maxAsked {
			return nil, errTooManyAsked
		}
		r.ndjson = newNDJSONReader(lineReader{in: text})
		r.columns = r.ndjson.columns
		r.next = r.ndjson.next
		return r, nil
	}
	if err := r.openCSV(text); err != nil {
		return nil, err
	}
	return r, nil
}

func formatOf(text *bufio.Reader) Format {
	head, _ := text.Peek(1)
	if len(head) == 1 && head[0] == '{' {
		return NDJSON
	}
	return CSV
}

func (r *rowReader) openCSV(text *bufio.Reader) error {
	var err error
	if r.layout, err = sniffCSV(text, r.options); err != nil {
		return err
	}
	r.columns = r.layout.columns
	r.spec.Semicolons = r.layout.comma == ';'
	if r.spec.Asked, err = askedColumns(r.columns.names, r.options); err != nil {
		return err
	}
	records := newCSVReader(text, r.layout.comma)
	if r.layout.header {
		if _, err := records.next(); err != nil {
			return err
		}
	}
	width := len(r.columns.names)
	r.next = func() (row, error) {
		rec, err := records.next()
		if err != nil {
			return row{}, err
		}
		for len(r.columns.names) < len(rec.cells) { // surplus cells are kept too
			if err := r.columns.addColumn(); err != nil {
				return row{}, err
			}
		}
		return row{cells: rec.cells, malformed: rec.malformed || len(rec.cells) != width}, nil
	}
	return nil
}

// finish completes the spec after the last row.
func (r *rowReader) finish() error {
	r.spec.Columns = r.columns.names
	if r.ndjson == nil {
		return nil
	}
	o := r.options
	if len(o.Columns) == 0 && o.Mode == Search && questionColumn(r.spec.Columns) < 0 {
		o.Columns = []string{r.ndjson.first} // lines that are not objects have no names
	}
	var err error
	r.spec.Asked, err = askedColumns(r.spec.Columns, o)
	return err
}

// readChunks cuts the rows into chunks and passes each, encoded, to store.
func (r *rowReader) readChunks(ctx context.Context, maxRows int, store func(n int, chunk []byte) error) error {
	var chunk []byte
	rows, cells, rendered := 0, 0, 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		err := store(r.spec.Chunks, compress(chunk))
		r.spec.Chunks++
		chunk, rows, cells, rendered = chunk[:0], 0, 0, 0
		return err
	}
	for {
		next, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.spec.Rows++; r.spec.Rows > maxRows {
			return &LimitError{"rows", int64(maxRows)}
		}
		n := r.renderedLen(&next)
		if r.rendered += int64(n); r.rendered > maxRendered+renderedFactor*r.body.read {
			return &LimitError{"bytes in its result", maxRendered + renderedFactor*r.body.read}
		}
		chunk = appendRow(chunk, &next)
		rows, cells, rendered = rows+1, cells+len(next.cells), rendered+n
		if rows == chunkRows || cells >= chunkCells || len(chunk) >= chunkBytes || rendered >= chunkRendered {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if r.spec.Rows == 0 {
		return errNoRows
	}
	return r.finish()
}

// renderedLen is how long the cells of a row become in a result, in the longest
// of the formats.
func (r *rowReader) renderedLen(in *row) int {
	n := len(r.columns.names) // of commas in CSV
	for i, cell := range in.cells {
		switch {
		case r.ndjson == nil:
			n += r.columns.lens[i] + jsonLen(cell) + len(":")
		case cell != "":
			n += r.columns.lens[i] + len(cell) + len(":")
		}
	}
	return n
}

// countingReader counts what is read through it.
type countingReader struct {
	r    io.Reader
	read int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	return n, err
}

// limitedReader fails with a LimitError after limit bytes, and when ctx has ended:
// between two reads only the buffer's 64 KiB are taken apart.
type limitedReader struct {
	ctx   context.Context //nolint:containedctx // of the upload: io.Reader has no place for it
	r     io.Reader
	limit int64
	read  int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, fmt.Errorf("%w: %w", errBody, context.Cause(l.ctx))
	}
	n, err := l.r.Read(p)
	if l.read += int64(n); l.read > l.limit {
		return 0, &LimitError{"bytes", l.limit}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}

// errBody marks errors of the upload's own reader.
var errBody = errors.New("read upload")

// Preview is what an upload is understood as.
type Preview struct {
	Format    Format
	Separator string // of a CSV file; empty: one cell a line
	Header    bool
	Columns   []string
	Asked     []string // the columns that make up the question
	// Guessed: nothing told which of several columns holds the address, so that Asked
	// is the first one.
	Guessed bool
	Rows    [][]string // the first rows
}

const (
	// previewRows is how many rows a preview shows.
	previewRows = 5
	// previewBytes is how much of an upload a preview reads at most, blank lines
	// included: 30 ms of one core.
	previewBytes = 2 << 20
)

// NewPreview reads the beginning of an upload and tells how it is understood.
// It returns an *InputError for what cannot be. It stops when ctx ends.
func NewPreview(ctx context.Context, u Upload) (Preview, error) {
	u.Body = io.LimitReader(&limitedReader{ctx: ctx, r: u.Body, limit: previewBytes}, previewBytes)
	r, err := readRows(u)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Format: r.spec.Format, Header: r.layout.header}
	if r.layout.comma != 0 {
		p.Separator = string(r.layout.comma)
	}
	var rows []row
	for len(rows) < previewRows {
		next, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Preview{}, err
		}
		rows = append(rows, next)
	}
	if len(rows) == 0 {
		return Preview{}, errNoRows
	}
	if err := r.finish(); err != nil {
		return Preview{}, err
	}
	p.Columns = r.spec.Columns
	p.Guessed = r.spec.Mode == Search && len(r.options.Columns) == 0 && len(p.Columns) > 1 && questionColumn(p.Columns) < 0
	for _, i := range r.spec.Asked {
		p.Asked = append(p.Asked, p.Columns[i])
	}
	for i := range rows {
		cells := make([]string, len(p.Columns))
		for j := range cells {
			cells[j] = r.spec.text(&rows[i], j)
		}
		p.Rows = append(p.Rows, cells)
	}
	return p, nil
}

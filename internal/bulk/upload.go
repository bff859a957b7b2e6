package bulk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// Upload is a file on its way in.
type Upload struct {
	Body    io.Reader
	Format  Format // CSV or NDJSON; empty: detect it
	Charset string // as in Content-Type; empty: detect it
	Options Options
}

const (
	// chunkRows is how many rows a worker takes at a time: few enough that a
	// small job is shared, and many enough that a large one has thousands of
	// chunks and not more.
	chunkRows = 500
	// chunkBytes closes a chunk of long rows earlier.
	chunkBytes = 256 << 10
)

// rowReader reads the rows of an upload.
type rowReader struct {
	next func() (row, error) // io.EOF at the end
	spec spec                // without Rows and Chunks

	layout  layout
	ndjson  *ndjsonReader
	options Options
}

// readRows looks at the beginning of an upload and returns its rows.
func readRows(u Upload) (*rowReader, error) {
	if u.Options.Mode == "" {
		u.Options.Mode = Search
	}
	text, err := decodeText(u.Body, u.Charset)
	if err != nil {
		return nil, err
	}
	if u.Format == "" {
		u.Format = formatOf(text)
	}
	r := &rowReader{options: u.Options, spec: spec{
		Mode: u.Options.Mode, Format: u.Format, Limit: max(1, u.Options.Limit),
		Language: u.Options.Language, CountryCodes: u.Options.CountryCodes, Rendering: renderingVersion,
	}}
	if u.Format == NDJSON {
		r.ndjson = newNDJSONReader(lineReader{in: text})
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
	r.spec.Columns = slices.Clone(r.layout.columns)
	if r.spec.Asked, err = askedColumns(r.spec.Columns, r.options); err != nil {
		return err
	}
	records := newCSVReader(text, r.layout.comma)
	if r.layout.header {
		if _, err := records.next(); err != nil {
			return err
		}
	}
	width := len(r.spec.Columns)
	r.next = func() (row, error) {
		rec, err := records.next()
		if err != nil {
			return row{}, err
		}
		for i := len(r.spec.Columns); i < len(rec.cells); i++ { // surplus cells are kept too
			r.spec.Columns = append(r.spec.Columns, unusedName("column_"+strconv.Itoa(i+1), r.spec.Columns))
		}
		return row{cells: rec.cells, malformed: rec.malformed || len(rec.cells) != width}, nil
	}
	return nil
}

// finish completes the spec after the last row.
func (r *rowReader) finish() error {
	if r.ndjson == nil {
		return nil
	}
	r.spec.Columns = r.ndjson.columns
	o := r.options
	if len(o.Columns) == 0 && o.Mode == Search && firstNamed(r.spec.Columns, questionNames) < 0 {
		o.Columns = []string{r.ndjson.first} // lines that are not objects have no names
	}
	var err error
	r.spec.Asked, err = askedColumns(r.spec.Columns, o)
	return err
}

// readChunks cuts the rows into chunks and passes each, encoded, to store.
func (r *rowReader) readChunks(ctx context.Context, maxRows int, store func(n int, chunk []byte) error) error {
	var chunk []byte
	rows := 0
	flush := func() error {
		if rows == 0 {
			return nil
		}
		err := store(r.spec.Chunks, compress(chunk))
		r.spec.Chunks++
		chunk, rows = chunk[:0], 0
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
		chunk = appendRow(chunk, &next)
		if rows++; rows == chunkRows || len(chunk) >= chunkBytes {
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

// limitedReader fails with a LimitError after limit bytes.
type limitedReader struct {
	r     io.Reader
	limit int64
	read  int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
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
	Asked     []string   // the columns that make up the question
	Rows      [][]string // the first rows
}

// previewRows is how many rows a preview shows.
const previewRows = 5

// NewPreview reads the beginning of an upload and tells how it is understood.
// It returns an *InputError for what cannot be.
func NewPreview(u Upload) (Preview, error) {
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

package bulk

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/s2"
)

// row is one row of an upload. Of a CSV file the cells are text; of NDJSON each
// is the JSON of a value, empty where the object has no such member.
type row struct {
	cells     []string
	malformed bool // kept as it came, never asked for
}

// text is cell i as text.
func (s *spec) text(r *row, i int) string {
	if i >= len(r.cells) {
		return ""
	}
	if s.Format != NDJSON {
		return r.cells[i]
	}
	return jsonText(r.cells[i])
}

// jsonText is what a JSON value looks like in a cell.
func jsonText(value string) string {
	switch {
	case value == "" || value == "null":
		return ""
	case value[0] == '"':
		var text string
		if json.Unmarshal([]byte(value), &text) == nil {
			return text
		}
	}
	return value
}

// done is the answer to a row; its Outcome is empty while there is none.
type done struct {
	Outcome     Outcome
	Lat, Lon    string
	DisplayName string
	Type        string
	Importance  string
	Licence     string
	Provider    string
	Cached      bool
}

// maxPlaceText is the longest text of an answer in bytes: whatever a geocoder
// says, the answers of a chunk take 2 MiB for each of its texts at worst, and
// 100 KB in all mostly.
const maxPlaceText = 4 << 10

func doneOf(a Answer) done {
	return done{
		Outcome: a.Outcome, Lat: a.Lat, Lon: a.Lon, DisplayName: cut(a.DisplayName), Type: cut(a.Type),
		Importance: a.Importance, Licence: cut(a.Licence), Provider: a.Provider, Cached: a.Cached,
	}
}

// cut returns the beginning of a text that is too long.
func cut(text string) string {
	if len(text) <= maxPlaceText {
		return text
	}
	return strings.ToValidUTF8(text[:maxPlaceText], "")
}

func count(answers []done) Counts {
	var c Counts
	for i := range answers {
		c.add(&answers[i])
	}
	return c
}

func (c *Counts) add(d *done) {
	switch d.Outcome {
	case OutcomeFound:
		c.Found++
	case OutcomeEmpty:
		c.Empty++
	case OutcomeInvalid:
		c.Invalid++
	case OutcomeFailed:
		c.Failed++
	default:
		return
	}
	c.Done++
	if d.Cached {
		c.CacheHits++
	}
}

func (c *Counts) plus(o Counts) {
	c.Done += o.Done
	c.Found += o.Found
	c.Empty += o.Empty
	c.Invalid += o.Invalid
	c.Failed += o.Failed
	c.CacheHits += o.CacheHits
}

// Rows and answers are stored as lengths and bytes, compressed: reading them
// back costs a fraction of what JSON would, and only programs read a chunk.

var errCorrupt = errors.New("stored chunk is corrupt")

// maxDecoded is far above what a chunk can hold.
const maxDecoded = 64 << 20

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendRow(b []byte, r *row) []byte {
	flags := uint64(len(r.cells)) << 1
	if r.malformed {
		flags |= 1
	}
	b = binary.AppendUvarint(b, flags)
	for _, cell := range r.cells {
		b = appendText(b, cell)
	}
	return b
}

func compress(b []byte) []byte { return s2.Encode(nil, b) }

func decodeRows(stored []byte) ([]row, error) {
	d, err := newDecoder(stored)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, chunkRows)
	for len(d.rest) > 0 && d.err == nil {
		flags := d.number()
		cells := flags >> 1
		if cells > maxColumns {
			return nil, errCorrupt
		}
		r := row{cells: make([]string, cells), malformed: flags&1 == 1}
		for i := range r.cells {
			r.cells[i] = d.text()
		}
		rows = append(rows, r)
	}
	return rows, d.err
}

// outcomeCodes are what outcomes are stored as. The second is of an earlier version,
// whose places had no licence.
var outcomeCodes = []Outcome{"", OutcomeFound, OutcomeEmpty, OutcomeInvalid, OutcomeFailed, OutcomeFound}

const codeFound, codeFoundUnlicensed = 5, 1

func encodeAnswers(answers []done) []byte {
	var b []byte
	for i := range answers {
		b = appendAnswer(b, &answers[i])
	}
	return compress(b)
}

func appendAnswer(b []byte, a *done) []byte {
	code := uint64(max(0, slices.Index(outcomeCodes, a.Outcome))) << 1
	if a.Outcome == OutcomeFound {
		code = codeFound << 1
	}
	if a.Cached {
		code |= 1
	}
	b = binary.AppendUvarint(b, code)
	if a.Outcome == "" || a.Outcome == OutcomeInvalid {
		return b
	}
	b = appendText(b, a.Provider)
	if a.Outcome == OutcomeFound {
		for _, s := range [...]string{a.Lat, a.Lon, a.DisplayName, a.Type, a.Importance, a.Licence} {
			b = appendText(b, s)
		}
	}
	return b
}

func decodeAnswers(stored []byte) ([]done, error) {
	d, err := newDecoder(stored)
	if err != nil {
		return nil, err
	}
	answers := make([]done, 0, chunkRows)
	for len(d.rest) > 0 && d.err == nil {
		answers = append(answers, d.answer())
	}
	return answers, d.err
}

// decoder reads what was appended. After its first error it reads zeros.
type decoder struct {
	rest string
	err  error
}

func newDecoder(stored []byte) (*decoder, error) {
	if n, err := s2.DecodedLen(stored); err != nil || n > maxDecoded {
		return nil, errCorrupt
	}
	plain, err := s2.Decode(nil, stored)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	// One string for the whole chunk: the cells are slices of it.
	return &decoder{rest: string(plain)}, nil
}

func (d *decoder) number() uint64 {
	// At most ten bytes belong to the number.
	v, n := binary.Uvarint([]byte(d.rest[:min(len(d.rest), binary.MaxVarintLen64)]))
	if n <= 0 {
		d.err, d.rest = errCorrupt, ""
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.err, d.rest = errCorrupt, ""
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) answer() done {
	code := d.number()
	if code>>1 >= uint64(len(outcomeCodes)) {
		d.err, d.rest = errCorrupt, ""
		return done{}
	}
	a := done{Outcome: outcomeCodes[code>>1], Cached: code&1 == 1}
	if a.Outcome == "" || a.Outcome == OutcomeInvalid {
		return a
	}
	a.Provider = d.text()
	if a.Outcome == OutcomeFound {
		a.Lat, a.Lon, a.DisplayName, a.Type, a.Importance = d.text(), d.text(), d.text(), d.text(), d.text()
		if code>>1 != codeFoundUnlicensed {
			a.Licence = d.text()
		}
	}
	return a
}

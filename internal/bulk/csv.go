package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxColumns bounds the columns of a job. A chunk of rows has its cells bounded
// apart, see chunkCells.
const maxColumns = 1000

// A record is one record of a CSV file. Its cells are UTF-8.
type record struct {
	cells     []string
	malformed bool // a quote that is opened and never closed
}

// csvReader reads the CSV of the real world. Encoding/csv could not be used:
// it holds the rest of the file in memory after a stray quote, and cannot go on
// after it. Here a quote that is not closed as RFC 4180 has it within
// maxRecord costs its own line and nothing else. The time that a file takes grows
// with its length alone, whatever is in it.
type csvReader struct {
	ahead lookahead
	comma byte // 0: every line is one cell
}

func newCSVReader(in *bufio.Reader, comma byte) *csvReader {
	return &csvReader{ahead: lookahead{lines: &lineReader{in: in}, comma: comma}, comma: comma}
}

// next returns the next record that is not a blank line, or io.EOF.
func (c *csvReader) next() (record, error) {
	for {
		line, err := c.ahead.next()
		if err != nil {
			return record{}, err
		}
		if len(bytes.TrimSpace(line)) == 0 && (c.comma != '\t' || len(chomp(line)) == 0) {
			continue
		}
		return c.record(line)
	}
}

func (c *csvReader) record(first []byte) (record, error) {
	s := splitter{raw: first, comma: c.comma}
	if s.split() == open {
		more, closed, err := c.ahead.closing(first)
		if err != nil {
			return record{}, err
		}
		if closed {
			s.raw = append(append(make([]byte, 0, len(first)+len(more)), first...), more...)
			s.split()
		} else {
			s.state = broken
		}
	}
	if s.state == broken {
		s = splitter{raw: first, comma: c.comma, lenient: true}
		s.split()
	}
	if len(s.cells) > maxColumns {
		return record{}, &InputError{
			"too_many_columns", fmt.Sprintf("line %d has more than %d columns", c.ahead.count, maxColumns), "",
		}
	}
	return record{cells: s.texts(), malformed: s.state == open}, nil
}

// splitState is how far a record is.
type splitState int

const (
	open     splitState = iota // within a quoted cell
	complete                   // at the end of the record
	broken                     // a quote stands where none may
)

// splitter cuts one record into cells. It goes on where it stopped when more
// is appended to raw.
type splitter struct {
	raw     []byte
	comma   byte
	lenient bool // a quote that stands where none may is a letter
	scan    bool // only the state is wanted, no cells

	state  splitState
	at     int
	quoted bool
	cell   []byte // the quoted cell so far
	cells  [][]byte
}

func (s *splitter) split() splitState {
	s.state = complete
	for s.at < len(s.raw) || s.quoted {
		if !s.quoted {
			if s.raw[s.at] == '"' {
				s.at++
				s.quoted, s.cell = true, []byte{}
				continue
			}
			if s.bare() {
				return s.state
			}
			continue
		}
		if ended := s.inQuotes(); ended {
			return s.state
		}
	}
	return s.state
}

// bare takes a cell that does not begin with a quote; true at the end of the
// record.
func (s *splitter) bare() bool {
	rest := s.raw[s.at:]
	if i := s.indexComma(rest); i >= 0 {
		s.add(rest[:i])
		s.at += i + 1
		if s.at == len(s.raw) { // the file ends behind a comma
			s.add(nil)
		}
		return s.at == len(s.raw)
	}
	s.add(chomp(rest))
	s.at = len(s.raw)
	return true
}

func (s *splitter) indexComma(b []byte) int {
	if s.comma == 0 {
		return -1
	}
	return bytes.IndexByte(b, s.comma)
}

// inQuotes goes on within a quoted cell; true when the record ends or cannot go
// on.
func (s *splitter) inQuotes() bool {
	i := bytes.IndexByte(s.raw[s.at:], '"')
	if i < 0 {
		s.letters(s.raw[s.at:])
		s.at = len(s.raw)
		s.state = open
		if s.lenient {
			s.add(chomp(s.cell))
			s.quoted = false
		}
		return true
	}
	s.letters(s.raw[s.at : s.at+i])
	s.at += i + 1
	rest := s.raw[s.at:]
	switch {
	case len(rest) > 0 && rest[0] == '"':
		s.letters(quote)
		s.at++
		return false
	case len(chomp(rest)) == 0:
		s.endQuoted(len(rest))
		return true
	case s.comma != 0 && rest[0] == s.comma:
		s.endQuoted(1)
		if s.at == len(s.raw) {
			s.add(nil)
		}
		return s.at == len(s.raw)
	case s.lenient:
		s.letters(quote)
		return false
	}
	s.state = broken
	return true
}

var quote = []byte{'"'}

// letters appends to the quoted cell.
func (s *splitter) letters(text []byte) {
	if !s.scan {
		s.cell = append(s.cell, text...)
	}
}

// add ends a cell. One above maxColumns tells that there are too many.
func (s *splitter) add(cell []byte) {
	if !s.scan && len(s.cells) <= maxColumns {
		s.cells = append(s.cells, cell)
	}
}

func (s *splitter) endQuoted(skip int) {
	s.add(s.cell)
	s.at += skip
	s.quoted = false
}

func (s *splitter) texts() []string {
	texts := make([]string, len(s.cells))
	for i, cell := range s.cells {
		texts[i] = plainText(cell)
	}
	return texts
}

// lookahead finds the line on which a quote is closed, and scans each line once
// however many lines leave a quote open.
//
// That is possible because every line that leaves a quote open leaves the same
// state behind. What was found out about the lines after the first of them
// therefore holds for the next one as well: they close the quote on the same line,
// or break on the same line, or are still open where the scan stopped.
type lookahead struct {
	lines *lineReader
	comma byte

	held  []byte     // the lines that were read ahead, one after the other
	end   splitState // at the end of held, where the line before held leaves a quote open
	count int        // lines taken so far
}

// next returns the next line with its end. The slice is valid until the next call.
func (l *lookahead) next() ([]byte, error) {
	l.count++
	if len(l.held) == 0 {
		l.end = open
		return l.lines.next()
	}
	line := l.held[:lineEnd(l.held)]
	if l.held = l.held[len(line):]; len(l.held) == 0 {
		l.end = open
	}
	return line, nil
}

// closing returns the lines that close a quote that first left open, or false when
// none do within maxRecord bytes.
func (l *lookahead) closing(first []byte) ([]byte, bool, error) {
	for l.end == open && len(first)+len(l.held) <= maxRecord {
		line, err := l.lines.next()
		if errors.Is(err, io.EOF) {
			l.end = broken
			break
		}
		if err != nil {
			return nil, false, err
		}
		s := splitter{raw: line, comma: l.comma, quoted: true, scan: true}
		l.end = s.split()
		l.held = append(l.held, line...)
	}
	if l.end != complete || len(first)+len(l.held) > maxRecord {
		return nil, false, nil
	}
	taken := l.held
	for rest := taken; len(rest) > 0; l.count++ {
		rest = rest[lineEnd(rest):]
	}
	l.held, l.end = nil, open
	return taken, true, nil
}

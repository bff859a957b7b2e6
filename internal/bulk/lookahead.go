package bulk

import (
	"errors"
	"io"
)

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

package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// sniffed is how much of an upload is looked at to find out what it is.
const sniffed = 64 << 10

// decodeText returns r as UTF-8 without a byte order mark. The mark decides,
// then charset (as in Content-Type; empty: not known), then a look at the
// bytes. Bytes that are not UTF-8 after all are left to plainText.
func decodeText(r io.Reader, charset string) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, sniffed)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	enc, marked, err := encodingOf(head, charset)
	if err != nil {
		return nil, err
	}
	if _, err := in.Discard(marked); err != nil {
		return nil, err
	}
	if enc == nil {
		return in, nil
	}
	return bufio.NewReaderSize(enc.NewDecoder().Reader(in), sniffed), nil
}

// encodingOf finds the encoding of a text that begins with head; nil means
// UTF-8. It also returns the length of the byte order mark.
func encodingOf(head []byte, charset string) (enc encoding.Encoding, marked int, err error) {
	little := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	big := unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return nil, 3, nil
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		return little, 2, nil
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return big, 2, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0")):
		return nil, 0, &InputError{"not_text", "the upload is a spreadsheet or an archive, not text", "save the sheet as CSV first"}
	}
	// Latin letters, digits and separators in UTF-16 have a zero byte each.
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i&1]++
		}
	}
	switch half := len(head) / 2; {
	case zeros[0]+zeros[1] == 0:
	case zeros[1] > half/2 && zeros[0] < half/10:
		return little, 0, nil
	case zeros[0] > half/2 && zeros[1] < half/10:
		return big, 0, nil
	default:
		return nil, 0, &InputError{"not_text", "the upload has NUL characters: it is not text", "send CSV or NDJSON in UTF-8"}
	}
	if charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii") {
		return nil, 0, nil
	}
	enc, err = htmlindex.Get(charset)
	if err != nil {
		return nil, 0, &InputError{"unknown_charset", fmt.Sprintf("unknown charset %q", charset), "UTF-8 is always understood"}
	}
	return enc, 0, nil
}

// plainText returns raw as valid UTF-8. What is not valid UTF-8 was saved by a
// spreadsheet in the Western code page: hardly any text in that code page with
// a letter beyond ASCII in it happens to be UTF-8 as well.
func plainText(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return string(text)
}

// maxRecord is the longest record in bytes, quoted line breaks included.
const maxRecord = 256 << 10

// lineReader reads the physical lines of a text: LF, CR LF, or a lone CR as
// old spreadsheets write it.
type lineReader struct {
	in    *bufio.Reader
	count int // lines returned so far
}

// next returns a line with its end. The slice belongs to the caller.
func (l *lineReader) next() ([]byte, error) {
	l.count++
	var line []byte
	for {
		if l.in.Buffered() == 0 {
			if _, err := l.in.Peek(1); err != nil {
				if err == io.EOF && len(line) > 0 {
					return line, nil
				}
				return nil, err
			}
		}
		window, err := l.in.Peek(l.in.Buffered())
		if err != nil {
			return nil, err
		}
		taken := window[:lineEnd(window)]
		if len(line)+len(taken) > maxRecord {
			return nil, &InputError{
				"row_too_long", fmt.Sprintf("line %d is longer than %d bytes", l.count, maxRecord),
				"is this a text file with one row a line?",
			}
		}
		line = append(line, taken...)
		if _, err := l.in.Discard(len(taken)); err != nil {
			return nil, err
		}
		switch line[len(line)-1] {
		case '\n':
			return line, nil
		case '\r': // the window may have ended between CR and LF
			if after, err := l.in.Peek(1); err == nil && after[0] == '\n' {
				_, _ = l.in.Discard(1)
				line = append(line, '\n')
			}
			return line, nil
		}
	}
}

// lineEnd returns the length of the first line of b with its end: all of b when it
// has none. It looks at hardly more than the line: a look for a line feed through
// all of b would cost as much again for every line that ends otherwise.
func lineEnd(b []byte) int {
	const least = 64
	for from, to := 0, least; from < len(b); from, to = to, 2*to {
		part := b[from:min(to, len(b))]
		lf := bytes.IndexByte(part, '\n')
		if lf >= 0 {
			part = part[:lf]
		}
		if cr := bytes.IndexByte(part, '\r'); cr >= 0 {
			end := from + cr + 1
			if end < len(b) && b[end] == '\n' {
				end++
			}
			return end
		}
		if lf >= 0 {
			return from + lf + 1
		}
	}
	return len(b)
}

// chomp cuts off the end of a line.
func chomp(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

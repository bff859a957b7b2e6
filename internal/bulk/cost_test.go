package bulk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// hostile are files that have nothing to say and are written to cost as much as
// possible: each is the head once and the unit over and over.
var hostile = []struct{ name, head, unit string }{
	{"quotes that open and close across lines", "", "x\",\"a\n"},
	{"quotes that open and never close", "", "\"a\n"},
	{"open quotes behind carriage returns", "", "\"\r"},
	{"quotes only", "", "\""},
	{"quotes and commas", "", "\","},
	{"an open quote, then blank lines", "\"", "\n"},
	{"carriage returns only", "a", "\r"},
	{"line feeds only", "a", "\n"},
	{"carriage returns and line feeds by turns", "a", "\r\n"},
	{"a cell and a carriage return", "", "a\r"},
	{"semicolons", "", ";;;;;;;;;;;;;;;;\n"},
	{"all separators by turns", "", ",;\t|\"\n"},
	{"a byte order mark on each line", "", "\xEF\xBB\xBF\"a\n"},
	{"bytes of the Western code page", "", "\xFC\",\"\xFC\n"},
	{"rows of one letter", "", "a\n"},
}

// hostileFile is at least n bytes of a hostile file.
func hostileFile(head, unit string, n int) string { return head + strings.Repeat(unit, n/len(unit)+1) }

func readToEnd(tb testing.TB, u Upload) (rows int, err error) {
	tb.Helper()
	r, err := readRows(u)
	if err != nil {
		return 0, err
	}
	err = r.readChunks(tb.Context(), 1<<30, func(int, []byte) error { return nil })
	return r.spec.Rows, err
}

// The slowest of them took 117 s a mebibyte when each line looked ahead anew, so that half of
// it took 30. The limit is far from both: what a byte costs is what BenchmarkHostileFiles shows.
func TestNoFileIsSlowToRead(t *testing.T) {
	const size, most = 512 << 10, 10 * time.Second
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			rows, err := readToEnd(t, Upload{Body: strings.NewReader(hostileFile(tt.head, tt.unit, size)), Format: CSV})
			took := time.Since(began)
			var input *InputError
			if err != nil && !errors.As(err, &input) {
				t.Fatal(err)
			}
			t.Logf("%d rows in %s, %v", rows, took, err)
			if took > most {
				t.Errorf("%d bytes took %s, want %s at most", size, took, most)
			}
		})
	}
}

// Files of one line, or with NUL characters, are refused and cost nothing either.
func TestHostileFilesThatAreRefused(t *testing.T) {
	const size, most = 16 << 20, 10 * time.Second
	for name, file := range map[string]io.Reader{
		"NUL characters":      strings.NewReader(strings.Repeat("a\x00\x00\x00", size/4)),
		"one line":            strings.NewReader(strings.Repeat("x", size)),
		"one line of commas":  strings.NewReader(strings.Repeat(",", size)),
		"one line of quotes":  strings.NewReader("a,b\n\"" + strings.Repeat("\"\"", size/2)),
		"one line of NDJSON":  strings.NewReader("{" + strings.Repeat(`"a":1,`, size/6)),
		"brackets of NDJSON":  strings.NewReader(`{"a":` + strings.Repeat("[", size)),
		"an endless BOM":      strings.NewReader(strings.Repeat("\xEF\xBB\xBF", size/3)),
		"UTF-16 without ends": strings.NewReader("\xFF\xFE" + strings.Repeat("x\x00", size/2)),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := readToEnd(t, Upload{Body: file})
			var input *InputError
			if !errors.As(err, &input) || time.Since(began) > most {
				t.Errorf("error %v after %s, want an InputError within %s", err, time.Since(began), most)
			}
		})
	}
}

// BenchmarkHostileFiles shows that time per byte does not grow with the file.
func BenchmarkHostileFiles(b *testing.B) {
	for _, tt := range hostile {
		for _, size := range []int{64 << 10, 1 << 20, 16 << 20} {
			file := hostileFile(tt.head, tt.unit, size)
			b.Run(fmt.Sprintf("%s/%dKiB", tt.name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(len(file)))
				for b.Loop() {
					_, _ = readToEnd(b, Upload{Body: strings.NewReader(file), Format: CSV})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(file)), "ns/byte")
			})
		}
	}
}

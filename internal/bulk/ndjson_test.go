package bulk

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// Whatever comes is read to its end: each line that is not blank is one row, with
// names that are known and different.
func FuzzNDJSON(f *testing.F) {
	f.Add("{\"q\":\"Vaduz\",\"n\":1}\n\"Schaan\"\n[1]\n{\"q\":\"x\"")
	f.Add("{\"\":null,\"\":2}\r\r\n{}\n\xff")
	f.Add(`{"a":{"a":[{}]},"a_2":1e400}`)
	f.Fuzz(func(t *testing.T, file string) {
		r, err := readRows(Upload{Body: strings.NewReader(file), Format: NDJSON})
		if err != nil {
			return
		}
		rows := 0
		for {
			next, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			rows++
			if len(next.cells) > len(r.columns.names) {
				t.Fatalf("%d cells of %d columns in %q", len(next.cells), len(r.columns.names), file)
			}
		}
		if r.finish() != nil || rows == 0 {
			return
		}
		seen := map[string]bool{}
		for _, name := range r.spec.Columns {
			if seen[name] {
				t.Fatalf("the name %q comes twice in %q", name, file)
			}
			seen[name] = true
		}
	})
}

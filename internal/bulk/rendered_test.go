package bulk

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// wide is a file of n rows below 1,000 names that are as long as names may be.
func wide(n int) io.Reader {
	var header strings.Builder
	for i := range maxColumns {
		fmt.Fprintf(&header, ",%050d", i)
	}
	return io.MultiReader(strings.NewReader(header.String()[1:]+"\n"),
		&lines{n: n, line: func(i int) string { return fmt.Sprintf("%d,Vaduz", i) + strings.Repeat(",", maxColumns-2) + "\n" }})
}

// 10 MB of such rows became 681 MB.
func TestResultIsNotMuchLargerThanItsUpload(t *testing.T) {
	w := newWorld(t)
	header := true
	_, err := w.master.Create(t.Context(), Upload{Body: wide(10_000), Options: Options{Header: &header}})
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit > maxRendered+renderedFactor*(11<<20) {
		t.Fatalf("Create = %v, want a LimitError", err)
	}
	w.nothingLeft(t)
}

// A chunk of them was rendered to 131 MB, which each download held.
func TestChunksAreSmallWhenRendered(t *testing.T) {
	files := map[string]Upload{
		"long names":      {Body: wide(600)},
		"long rows":       {Body: streets(20, func(i int) string { return fmt.Sprintf("%d,%s,x\n", i, strings.Repeat("\x01", maxRecord-100)) })},
		"last of names":   {Body: ndjsonOf(3000, func(i int) string { return fmt.Sprintf(`{"n%d":1}`, min(i, maxColumns-1)) })},
		"western letters": {Body: streets(20, func(i int) string { return fmt.Sprintf("%d,%s,x\n", i, strings.Repeat("\xFC", maxRecord-100)) })},
	}
	for name, u := range files {
		t.Run(name, func(t *testing.T) {
			header := true
			u.Options.Header = &header
			r, err := readRows(u)
			if err != nil {
				t.Fatal(err)
			}
			var chunks [][]byte
			if err := r.readChunks(t.Context(), 1_000_000, func(_ int, c []byte) error { chunks = append(chunks, c); return nil }); err != nil {
				t.Fatal(err)
			}
			const most = 3 << 20
			longest, cells := 0, 0
			for _, chunk := range chunks {
				rows, err := decodeRows(chunk)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for i := range rows {
					n += len(rows[i].cells)
				}
				cells = max(cells, n)
				answers := make([]done, len(rows))
				for i := range answers {
					answers[i].Outcome = OutcomeEmpty
				}
				for _, size := range newRenderer(&r.spec).measure(false, rows, answers) {
					longest = max(longest, int(size))
				}
			}
			t.Logf("%d chunks, the longest rendered to %d KiB, with %d cells at most", len(chunks), longest>>10, cells)
			if longest > most || cells > chunkCells+maxColumns {
				t.Errorf("rendered to %d bytes with %d cells, want %d and %d at most", longest, cells, most, chunkCells+maxColumns)
			}
		})
	}
}

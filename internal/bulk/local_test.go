package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func localFile(rows int) string {
	var b strings.Builder
	b.WriteString("id,address\n")
	for i := range rows {
		if i%50 == 49 {
			fmt.Fprintf(&b, "%d,ragged,row\n", i)
			continue
		}
		fmt.Fprintf(&b, "%d,Street %d\n", i, i%400)
	}
	return b.String()
}

// A conversion that is interrupted anywhere goes on where it was, and the file
// is the same in the end.
func TestConvertResumes(t *testing.T) {
	const rows = 1000
	file := localFile(rows)
	for _, format := range []Format{CSV, NDJSON, GeoJSON} {
		t.Run(string(format), func(t *testing.T) {
			convert := func(ctx context.Context, town *town, out *bytes.Buffer, from Checkpoint) (Checkpoint, error) {
				l := Local{Plan: town.plan, Asks: 3}
				return l.Convert(ctx, strings.NewReader(file), Upload{}, Rendering{Format: format}, out, from,
					func(_ Checkpoint, n int) error {
						if n != rows {
							t.Errorf("told of %d rows, want %d", n, rows)
						}
						return nil
					})
			}
			var whole bytes.Buffer
			town := newTown()
			town.held = 0 // nothing is cached: equal rows are asked once all the same
			end, err := convert(t.Context(), town, &whole, Checkpoint{})
			if err != nil || end.Rows != rows || end.Done != rows || end.Invalid != rows/50 || end.Bytes != int64(whole.Len()) {
				t.Fatalf("converted %+v, %v", end, err)
			}
			if questions, most := town.askedMost(); most != 1 {
				t.Errorf("%d questions, one asked %d times", questions, most)
			}

			var out bytes.Buffer
			var at Checkpoint
			interruptions := 0
			for {
				ctx, cancel := context.WithCancel(t.Context())
				town := newTown()
				town.before = func(_ context.Context, call int, _ Query) error {
					if call > 90 {
						cancel()
					}
					return ctx.Err()
				}
				var err error
				at, err = convert(ctx, town, &out, at)
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				out.Truncate(int(at.Bytes)) // as the command line does with its file
				if interruptions++; interruptions > 100 {
					t.Fatal("no headway")
				}
			}
			if interruptions == 0 {
				t.Error("never interrupted: the test shows nothing")
			}
			got, want := blankCache(out.String()), blankCache(whole.String())
			if got != want {
				t.Errorf("after %d interruptions the file differs: %d bytes, want %d", interruptions, len(got), len(want))
			}
		})
	}
}

// blankCache hides what depends on the order of things.
func blankCache(text string) string {
	return strings.NewReplacer(",true,", ",false,", `"cache":true`, `"cache":false`).Replace(text)
}

func TestConvertTellsMistakes(t *testing.T) {
	l := Local{Plan: newTown().plan}
	progress := func(Checkpoint, int) error { return nil }
	var input *InputError
	_, err := l.Convert(t.Context(), strings.NewReader("a,b\n1,2\n"), Upload{Options: Options{Columns: []string{"c"}}},
		Rendering{Format: CSV}, &bytes.Buffer{}, Checkpoint{}, progress)
	if !errors.As(err, &input) || input.Code != "unknown_column" {
		t.Errorf("Convert = %v, want unknown_column", err)
	}
	_, err = l.Convert(t.Context(), strings.NewReader("a\n1\n"), Upload{}, Rendering{Format: "pdf"}, &bytes.Buffer{}, Checkpoint{}, progress)
	if !errors.As(err, &input) || input.Code != "unknown_format" {
		t.Errorf("Convert = %v, want unknown_format", err)
	}
}

package bulkfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"geogate/internal/bulk"
)

func TestProgress(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	// told tells of a file that is taken up at row 100 and goes at 50 rows a
	// second.
	told := func(p *Progress) string {
		var b bytes.Buffer
		p.w, p.first, p.now = &b, -1, func() time.Time { return at }
		for done := 100; done <= 1000; done += 50 {
			p.tell(bulk.Counts{Done: done, Found: done - 10, Invalid: 10}, 1000)
			at = at.Add(time.Second)
		}
		p.end(bulk.Counts{Done: 1000, Found: 990, Invalid: 10}, errors.New("x"))
		return b.String()
	}
	tests := []struct {
		name string
		p    Progress
		want string
	}{
		{"lines", Progress{}, "600 of 1000 rows, 590 found, 10 invalid, 50 rows/s, 8s left\n1000 of 1000 rows, 990 found, 10 invalid, 47 rows/s\n"},
		{"bar", Progress{terminal: true}, "\r[###...........................] 100 of 1000 rows, 90 found, 10 invalid"},
		{"json", Progress{json: true}, `{"rows":1000,"done":150,"found":140,"empty":0,"invalid":10,"failed":0,"cache_hits":0,"rows_per_second":50,"seconds_left":17,"end":false}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := told(&tt.p)
			if tt.name == "lines" && got != tt.want || !strings.HasPrefix(got, tt.want) {
				t.Errorf("told\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	wide := progressLine{rowCounts: rowCounts{Rows: 12_345_678, Done: 12_345_670, Found: 10_000_000, Empty: 1_111_111, Invalid: 777_777, Failed: 456_782}, Rate: 12_345, Left: 360_000}
	for _, line := range []progressLine{wide, {rowCounts: rowCounts{Rows: 3, Done: 9}}, {}} {
		if bar := line.bar(line.String()); len(bar) > 79 || !strings.HasPrefix(bar, "[") {
			t.Errorf("%q takes %d columns, want at most 79", bar, len(bar))
		}
	}
	var silent bytes.Buffer
	p := Progress{w: &silent, first: -1, now: time.Now}
	p.end(bulk.Counts{}, errors.New("no such file"))
	if silent.Len() > 0 {
		t.Errorf("a run that did not begin tells %q", silent.String())
	}
}

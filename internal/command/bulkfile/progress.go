package bulkfile

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"geogate/internal/bulk"
)

// Progress tells people or programs how far a file is: a bar on a terminal,
// plain lines elsewhere, JSON when asked for. It belongs to one goroutine.
type Progress struct {
	w        io.Writer
	terminal bool
	json     bool
	now      func() time.Time

	began time.Time
	first int // rows that were done before
	last  time.Time
	rows  int
	wide  int // of the bar's line, for the next one to cover
}

// Pauses between two lines.
const (
	barEvery  = 200 * time.Millisecond
	jsonEvery = time.Second
	lineEvery = 10 * time.Second
)

// NewProgress writes to w, which is a terminal or takes lines of text or JSON.
func NewProgress(w io.Writer, terminal, json bool) *Progress {
	return &Progress{w: w, terminal: terminal, json: json, now: time.Now, first: -1}
}

// progressLine is what a line of JSON says.
type progressLine struct {
	rowCounts
	Rate  float64 `json:"rows_per_second"`
	Left  int     `json:"seconds_left"` // at that rate
	End   bool    `json:"end"`          // the last line
	Error string  `json:"error,omitempty"`
}

// rowCounts are bulk.Counts as JSON has them, from a server and to programs.
type rowCounts struct {
	Rows      int `json:"rows"`
	Done      int `json:"done"`
	Found     int `json:"found"`
	Empty     int `json:"empty"`
	Invalid   int `json:"invalid"`
	Failed    int `json:"failed"`
	CacheHits int `json:"cache_hits"`
}

func (c rowCounts) counts() bulk.Counts {
	return bulk.Counts{Done: c.Done, Found: c.Found, Empty: c.Empty, Invalid: c.Invalid, Failed: c.Failed, CacheHits: c.CacheHits}
}

// tell is called as often as there is news.
func (p *Progress) tell(c bulk.Counts, rows int) {
	now := p.now()
	p.rows = rows
	if p.first < 0 {
		p.began, p.first = now, c.Done
		if !p.terminal {
			p.last = now // a short file gets one line, at its end
		}
	}
	every := lineEvery
	switch {
	case p.json:
		every = jsonEvery
	case p.terminal:
		every = barEvery
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	p.write(p.line(c, now))
}

// end tells how it ended.
func (p *Progress) end(c bulk.Counts, err error) {
	if p.first < 0 {
		return // nothing has begun
	}
	line := p.line(c, p.now())
	line.End = true
	if err != nil {
		line.Error = err.Error()
	}
	p.write(line)
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

func (p *Progress) line(c bulk.Counts, now time.Time) progressLine {
	line := progressLine{rowCounts: rowCounts{
		Rows: p.rows, Done: c.Done, Found: c.Found, Empty: c.Empty, Invalid: c.Invalid, Failed: c.Failed, CacheHits: c.CacheHits,
	}}
	if spent := now.Sub(p.began).Seconds(); spent > 0 && c.Done > p.first {
		line.Rate = float64(c.Done-p.first) / spent
		line.Left = int(float64(p.rows-c.Done)/line.Rate + 0.5)
	}
	return line
}

func (p *Progress) write(line progressLine) {
	if p.json {
		text, err := json.Marshal(line)
		if err != nil {
			panic(err) // numbers and strings always encode
		}
		fmt.Fprintf(p.w, "%s\n", text)
		return
	}
	text := line.String()
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	bar := line.bar(text)
	fmt.Fprintf(p.w, "\r%-*s", p.wide, bar)
	p.wide = len(bar)
}

const (
	// columns is what a terminal has at least. In the last one, some wrap already.
	columns = 80 - 1
	// cells are those of a bar with room for them, fewCells of the shortest one.
	cells, fewCells = 30, 10
)

// bar puts a bar before text. Both fit into one line: a line that wraps cannot be
// written over.
func (l progressLine) bar(text string) string {
	width := max(fewCells, min(cells, columns-len("[] ")-len(text)))
	full := 0
	if l.Rows > 0 {
		full = width * min(l.Done, l.Rows) / l.Rows
	}
	bar := "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] " + text
	return bar[:min(columns, len(bar))]
}

// String is the line for people.
func (l progressLine) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d rows", l.Done, l.Rows)
	for _, part := range []struct {
		n    int
		name string
	}{{l.Found, "found"}, {l.Empty, "empty"}, {l.Invalid, "invalid"}, {l.Failed, "failed"}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %d %s", part.n, part.name)
		}
	}
	if l.Rate > 0 {
		fmt.Fprintf(&b, ", %.0f rows/s", l.Rate)
	}
	if l.Left > 0 {
		fmt.Fprintf(&b, ", %s left", time.Duration(l.Left)*time.Second)
	}
	return b.String()
}

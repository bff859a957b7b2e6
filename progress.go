package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"geogate/internal/bulk"
)

// progress tells people or programs how far a file is: a bar on a terminal,
// plain lines elsewhere, JSON when asked for.
type progress struct {
	w        io.Writer
	terminal bool
	json     bool
	now      func() time.Time

	began time.Time
	first int // rows that were done before
	last  time.Time
	rows  int
	wide  int // of the bar's line, to be covered by the next one
}

// Pauses between two lines.
const (
	barEvery  = 200 * time.Millisecond
	jsonEvery = time.Second
	lineEvery = 10 * time.Second
)

func newProgress(p *process, cmd *bulkCmd) *progress {
	pr := &progress{w: p.stderr, json: cmd.JSON, now: time.Now, first: -1}
	if cmd.JSON && cmd.Output != "" {
		pr.w = p.stdout // which the result does not need
	}
	if f, isFile := p.stderr.(*os.File); isFile && !cmd.JSON {
		pr.terminal = isatty.IsTerminal(f.Fd())
	}
	return pr
}

// progressLine is what a line of JSON says.
type progressLine struct {
	Rows      int     `json:"rows"`
	Done      int     `json:"done"`
	Found     int     `json:"found"`
	Empty     int     `json:"empty"`
	Invalid   int     `json:"invalid"`
	Failed    int     `json:"failed"`
	CacheHits int     `json:"cache_hits"`
	Rate      float64 `json:"rows_per_second"`
	Left      int     `json:"seconds_left"` // at that rate
	End       bool    `json:"end"`          // the last line
	Error     string  `json:"error,omitempty"`
}

// tell is called as often as there is news.
func (p *progress) tell(c bulk.Counts, rows int) {
	now := p.now()
	p.rows = rows
	if p.first < 0 {
		p.began, p.first = now, c.Done
		if !p.terminal {
			p.last = now // a short file is told of once, at its end
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
func (p *progress) end(c bulk.Counts, err error) {
	if p.first < 0 {
		return // nothing was begun
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

func (p *progress) line(c bulk.Counts, now time.Time) progressLine {
	line := progressLine{
		Rows: p.rows, Done: c.Done, Found: c.Found, Empty: c.Empty, Invalid: c.Invalid, Failed: c.Failed, CacheHits: c.CacheHits,
	}
	if spent := now.Sub(p.began).Seconds(); spent > 0 && c.Done > p.first {
		line.Rate = float64(c.Done-p.first) / spent
		line.Left = int(float64(p.rows-c.Done)/line.Rate + 0.5)
	}
	return line
}

func (p *progress) write(line progressLine) {
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
	const cells = 30
	full := 0
	if line.Rows > 0 {
		full = cells * line.Done / line.Rows
	}
	bar := "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "] " + text
	fmt.Fprintf(p.w, "\r%-*s", p.wide, bar)
	p.wide = len(bar)
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

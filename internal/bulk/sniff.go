package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// sampleRecords is how many records decide what a file looks like.
const sampleRecords = 20

// layout is what a CSV file looks like.
type layout struct {
	comma   byte // 0: every line is one cell
	header  bool
	columns *nameList // named by the header, else column_1, column_2…
}

// sniffCSV finds the layout of the file that in begins, and consumes a line
// "sep=;" as spreadsheets write it. It leaves everything else unread.
func sniffCSV(in *bufio.Reader, o Options) (layout, error) {
	if len(o.Columns) > maxAsked {
		return layout{}, errTooManyAsked
	}
	var named byte
	if head, _ := in.Peek(8); len(head) >= 5 && bytes.EqualFold(head[:4], []byte("sep=")) {
		named = head[4]
		end := 5
		for end < len(head) && (head[end] == '\r' || head[end] == '\n') {
			end++
		}
		if _, err := in.Discard(end); err != nil {
			return layout{}, err
		}
	}
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return layout{}, err
	}
	whole := err != nil // there is nothing after head

	best := layout{comma: named}
	var sample [][]string
	if named != 0 {
		sample, err = sampleOf(head, named, whole)
	} else {
		best.comma, sample, err = sniffComma(head, whole)
	}
	if err != nil {
		return layout{}, err
	}
	if len(sample) == 0 {
		return layout{}, errNoRows
	}
	best.header = isHeader(sample, o)
	if o.Header != nil {
		best.header = *o.Header
	}
	best.columns = newNameList()
	return best, best.columns.addHeader(sample[0], best.header)
}

var errNoRows = &InputError{"no_rows", "the upload has no rows", ""}

// sniffComma picks the separator that cuts most records into as many cells as
// the first one, and into more than one.
func sniffComma(head []byte, whole bool) (byte, [][]string, error) {
	var best byte
	bestScore := 0.0
	bestSample, err := sampleOf(head, 0, whole)
	if err != nil {
		return 0, nil, err
	}
	for _, comma := range []byte(",;\t|") {
		sample, err := sampleOf(head, comma, whole)
		if err != nil {
			return 0, nil, err
		}
		if len(sample) == 0 || len(sample[0]) < 2 {
			continue
		}
		alike := 0
		for _, cells := range sample {
			if len(cells) == len(sample[0]) {
				alike++
			}
		}
		share := float64(alike) / float64(len(sample))
		// A list of addresses, one a line, has commas as well, but nothing in
		// common from line to line.
		if share < 0.5 && !namesColumn(sample[0]) {
			continue
		}
		score := share + float64(min(len(sample[0]), 50))/100
		if namesColumn(sample[0]) {
			score++
		}
		if score > bestScore {
			best, bestScore, bestSample = comma, score, sample
		}
	}
	return best, bestSample, nil
}

// sampleOf reads the first records of head, without one that head cuts off. An
// error is one of the first record.
func sampleOf(head []byte, comma byte, whole bool) ([][]string, error) {
	if !whole {
		if i := bytes.LastIndexByte(head, '\n'); i > 0 {
			head = head[:i]
		}
	}
	r := newCSVReader(bufio.NewReader(bytes.NewReader(head)), comma)
	var sample [][]string
	for len(sample) < sampleRecords {
		rec, err := r.next()
		switch {
		case errors.Is(err, io.EOF), err != nil && len(sample) > 0: // the rest is for who reads it all
			return sample, nil
		case err != nil:
			return nil, err
		}
		sample = append(sample, rec.cells)
	}
	return sample, nil
}

// isHeader decides whether the first record names the columns: it holds a name
// that the client asked for or that is commonly used, or it has words above
// columns of numbers.
func isHeader(sample [][]string, o Options) bool {
	first := sample[0]
	for _, asked := range o.Columns {
		if slices.ContainsFunc(first, func(cell string) bool { return sameName(cell, asked) }) {
			return true
		}
	}
	if namesColumn(first) {
		return true
	}
	if len(sample) < 2 || slices.ContainsFunc(first, func(cell string) bool { return strings.TrimSpace(cell) == "" }) {
		return false
	}
	for i, cell := range first {
		if isNumber(cell) {
			return false
		}
		below := 0
		for _, cells := range sample[1:] {
			if i < len(cells) && isNumber(cells[i]) {
				below++
			}
		}
		if below == len(sample)-1 {
			return true
		}
	}
	return false
}

func isNumber(cell string) bool {
	_, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(cell), ",", ".", 1), 64)
	return err == nil
}

func sameName(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

var errTooManyAsked = &InputError{"too_many_columns", "a question is made of " + strconv.Itoa(maxAsked) + " columns at most", ""}

// askedColumns finds the columns that make up the question.
func askedColumns(columns []string, o Options) ([]int, error) {
	if len(o.Columns) > maxAsked {
		return nil, errTooManyAsked
	}
	if len(o.Columns) > 0 {
		asked := make([]int, 0, len(o.Columns))
		for _, name := range o.Columns {
			i := findColumn(columns, name)
			if i < 0 {
				return nil, unknownColumn(columns, name)
			}
			asked = append(asked, i)
		}
		if o.Mode == Reverse && len(asked) != 2 {
			return nil, &InputError{"wrong_columns", "reverse geocoding needs two columns", "name the columns of latitude and longitude: columns=lat,lon"}
		}
		return asked, nil
	}
	if o.Mode == Reverse {
		lat, lon := firstNamed(columns, latitudeNames), firstNamed(columns, longitudeNames)
		if lat < 0 || lon < 0 {
			return nil, &InputError{"unknown_column", "no columns are named lat and lon", "name them: columns=…,…; there are " + listColumns(columns)}
		}
		return []int{lat, lon}, nil
	}
	return []int{max(0, questionColumn(columns))}, nil
}

func findColumn(columns []string, name string) int {
	if i := slices.IndexFunc(columns, func(c string) bool { return sameName(c, name) }); i >= 0 {
		return i
	}
	if n, err := strconv.Atoi(strings.TrimSpace(name)); err == nil && n >= 1 && n <= len(columns) {
		return n - 1
	}
	return -1
}

func firstNamed(columns, names []string) int {
	for _, name := range names {
		if i := slices.IndexFunc(columns, func(c string) bool { return sameName(c, name) }); i >= 0 {
			return i
		}
	}
	return -1
}

func unknownColumn(columns []string, name string) error {
	return &InputError{"unknown_column", "there is no column " + strconv.Quote(name), "there are " + listColumns(columns)}
}

func listColumns(columns []string) string {
	const shown = 20
	if len(columns) > shown {
		return strings.Join(columns[:shown], ", ") + "…"
	}
	return strings.Join(columns, ", ")
}

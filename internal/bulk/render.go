package bulk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Rendering is a form in which a result can be had.
type Rendering struct {
	Format Format // CSV, Excel, NDJSON or GeoJSON
	// Safe puts an apostrophe before the cells of a CSV file that a spreadsheet
	// would take for a formula. The numbers that geogate adds are left alone.
	Safe bool
}

// renderingVersion changes when the same rows are rendered to other bytes: the
// sizes that were noted before no longer hold, and downloads that were begun
// cannot be resumed.
const renderingVersion = 3

// addedColumns are appended to each row.
var addedColumns = []string{"lat", "lon", "display_name", "type", "importance", "outcome", "cache", "provider", "reason", "licence"}

// variants are the renderings that differ in bytes, in the order of sizes.
var variants = []Rendering{{CSV, false}, {CSV, true}, {NDJSON, false}, {GeoJSON, false}, {Excel, true}}

// sizes are lengths in bytes, by variant.
type sizes [5]int64

// variant returns the index of what r renders to.
func (r Rendering) variant() (int, error) {
	i := slices.Index(variants, Rendering{r.Format, r.Safe && r.Format == CSV || r.Format == Excel})
	if i < 0 {
		return 0, &InputError{"unknown_format", fmt.Sprintf("unknown format %q", r.Format), "csv, excel, ndjson or geojson"}
	}
	return i, nil
}

// renderer renders the rows of one job.
type renderer struct {
	spec  *spec
	names []string // of the input's columns in the result
	keys  []string // the same as the beginning of a JSON member
}

func newRenderer(s *spec) *renderer {
	r := &renderer{spec: s}
	taken := make(map[string]bool, len(s.Columns)+len(addedColumns))
	for _, name := range addedColumns {
		taken[name] = true
	}
	for _, name := range s.Columns {
		// The added columns keep their names; one of the input that has the
		// same name gives way.
		for taken[name] {
			name = "input_" + name
		}
		taken[name] = true
		r.names = append(r.names, name)
		r.keys = append(r.keys, string(appendJSON(nil, name))+":")
	}
	return r
}

// byteOrderMark tells Excel that a file is in UTF-8.
const byteOrderMark = "\uFEFF"

// cells is how the cells of a CSV file are written.
type cells struct {
	comma byte
	safe  bool
}

func (r *renderer) cells(v Rendering) cells {
	if v.Format == Excel && r.spec.Semicolons {
		return cells{';', v.Safe}
	}
	return cells{',', v.Safe}
}

// head and foot surround the rows.
func (r *renderer) head(variant int) []byte {
	var b []byte
	switch v := variants[variant]; v.Format {
	case CSV, Excel:
		if v.Format == Excel {
			b = append(b, byteOrderMark...)
		}
		c := r.cells(v)
		for _, name := range r.names {
			b = append(c.append(b, name), c.comma)
		}
		b = append(b, strings.Join(addedColumns, string(c.comma))...)
		b = append(b, '\n')
	case GeoJSON:
		b = append(b, `{"type":"FeatureCollection","features":[`+"\n"...)
	}
	return b
}

func (r *renderer) foot(variant int) []byte {
	if variants[variant].Format == GeoJSON {
		return []byte("\n]}\n")
	}
	return nil
}

// geoSeparator stands between the features of GeoJSON.
const geoSeparator = ",\n"

// rows renders the rows that have an answer; first says that nothing has been
// rendered before them.
func (r *renderer) rows(b []byte, variant int, first bool, rows []row, answers []done) []byte {
	v := variants[variant]
	for i := range rows {
		if answers[i].Outcome == "" {
			continue
		}
		switch v.Format {
		case CSV, Excel:
			b = r.csvRow(b, &rows[i], &answers[i], r.cells(v))
		case NDJSON:
			b = r.jsonRow(b, &rows[i], &answers[i])
			b = append(b, '\n')
		case GeoJSON:
			if !first {
				b = append(b, geoSeparator...)
			}
			b = r.feature(b, &rows[i], &answers[i])
		}
		first = false
	}
	return b
}

// measure returns the length of a chunk in every variant. It renders two of
// them; the others follow.
func (r *renderer) measure(first bool, rows []row, answers []done) sizes {
	var s sizes
	buf := r.rows(nil, 0, first, rows, answers)
	s[0] = int64(len(buf))
	s[1] = s[0]
	buf = r.rows(buf[:0], 2, first, rows, answers)
	s[2] = int64(len(buf))
	s[3] = s[2] // which has a line feed for each row
	plain, excel := r.cells(variants[0]), r.cells(variants[4])
	count := func(text string) {
		s[1] += prefixLen(text)
		s[4] += excel.quotesLen(text) - plain.quotesLen(text)
	}
	for i := range rows {
		for j := range rows[i].cells {
			count(r.spec.text(&rows[i], j))
		}
		a := &answers[i]
		for _, text := range [...]string{a.DisplayName, a.Type, a.Provider, r.spec.reason(&rows[i], a.Outcome), a.Licence} {
			count(text)
		}
		s[3] += int64(len(geoSeparator)-1) + featureLen(a)
	}
	if first {
		s[3] -= int64(len(geoSeparator))
	}
	s[4] += s[1]
	return s
}

func (r *renderer) csvRow(b []byte, in *row, a *done, c cells) []byte {
	for i := range r.names {
		b = append(c.append(b, r.spec.text(in, i)), c.comma)
	}
	plain := func(text string) { b = append(append(b, text...), c.comma) }
	plain(a.Lat)
	plain(a.Lon)
	b = append(c.append(b, a.DisplayName), c.comma)
	b = append(c.append(b, a.Type), c.comma)
	plain(a.Importance)
	plain(string(a.Outcome))
	plain(boolText(a.Cached))
	b = append(c.append(b, a.Provider), c.comma)
	b = append(c.append(b, r.spec.reason(in, a.Outcome)), c.comma)
	return append(c.append(b, a.Licence), '\n')
}

func (c cells) quoted(cell string) bool {
	return strings.IndexByte(cell, c.comma) >= 0 || strings.ContainsAny(cell, "\"\r\n")
}

// quotesLen is the length of the quotes around a cell.
func (c cells) quotesLen(cell string) int64 {
	if c.quoted(cell) {
		return 2
	}
	return 0
}

// append quotes a cell where RFC 4180 asks for it.
func (c cells) append(b []byte, cell string) []byte {
	quoted := c.quoted(cell)
	if quoted {
		b = append(b, '"')
	}
	if c.safe && prefixLen(cell) > 0 {
		b = append(b, '\'')
	}
	if !quoted {
		return append(b, cell...)
	}
	for i := range len(cell) {
		if cell[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, cell[i])
	}
	return append(b, '"')
}

// formulaStarts are the letters that a formula begins with, in both widths, and the
// white space that hides one behind it.
const formulaStarts = "=+-@＝＋－＠\t\r\n"

// prefixLen is the length of what Safe puts before a cell.
func prefixLen(cell string) int64 {
	first, _ := utf8.DecodeRuneInString(cell)
	if cell != "" && strings.ContainsRune(formulaStarts, first) {
		return 1
	}
	return 0
}

func boolText(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

func (r *renderer) jsonRow(b []byte, in *row, a *done) []byte {
	b = append(b, '{')
	for i, cell := range in.cells {
		if r.spec.Format == NDJSON {
			if cell == "" {
				continue
			}
			b = append(b, r.keys[i]...)
			b = append(b, cell...)
		} else {
			b = append(b, r.keys[i]...)
			b = appendJSON(b, cell)
		}
		b = append(b, ',')
	}
	b = appendNumber(append(b, `"lat":`...), a.Lat)
	b = appendNumber(append(b, `,"lon":`...), a.Lon)
	b = appendNullable(append(b, `,"display_name":`...), a.DisplayName)
	b = appendNullable(append(b, `,"type":`...), a.Type)
	b = appendNumber(append(b, `,"importance":`...), a.Importance)
	b = append(b, `,"outcome":"`...)
	b = append(b, a.Outcome...)
	b = append(b, `","cache":`...)
	b = append(b, boolText(a.Cached)...)
	b = appendNullable(append(b, `,"provider":`...), a.Provider)
	b = appendNullable(append(b, `,"reason":`...), r.spec.reason(in, a.Outcome))
	b = appendNullable(append(b, `,"licence":`...), a.Licence)
	return append(b, '}')
}

const (
	featureHead = `{"type":"Feature","geometry":`
	pointHead   = `{"type":"Point","coordinates":[`
	pointFoot   = `]}`
	featureRest = `,"properties":`
)

// feature has all of the row in its properties; a row without a place has no
// geometry, which RFC 7946 allows.
func (r *renderer) feature(b []byte, in *row, a *done) []byte {
	b = append(b, featureHead...)
	if a.Outcome == OutcomeFound {
		b = append(b, pointHead...)
		b = append(b, a.Lon...)
		b = append(b, ',')
		b = append(b, a.Lat...)
		b = append(b, pointFoot...)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, featureRest...)
	return append(r.jsonRow(b, in, a), '}')
}

// featureLen is what feature adds to jsonRow.
func featureLen(a *done) int64 {
	n := len(featureHead) + len(featureRest) + len("}")
	if a.Outcome == OutcomeFound {
		n += len(pointHead) + len(a.Lon) + len(",") + len(a.Lat) + len(pointFoot)
	} else {
		n += len("null")
	}
	return int64(n)
}

func appendNumber(b []byte, number string) []byte {
	if number == "" {
		return append(b, "null"...)
	}
	return append(b, number...)
}

func appendNullable(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendJSON(b, text)
}

// appendJSON appends a JSON string. Most text needs no escape.
func appendJSON(b []byte, text string) []byte {
	plain := true
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == '"' || c == '\\' || c == 0x7f {
			plain = false
			break
		}
	}
	if plain && utf8.ValidString(text) {
		b = append(b, '"')
		b = append(b, text...)
		return append(b, '"')
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always encode
	}
	return append(b, quoted...)
}

// jsonLen is the length of what appendJSON appends, or a little more.
func jsonLen(text string) int {
	n := len(text) + len(`""`)
	for i := range len(text) {
		switch c := text[i]; {
		case c < 0x20, c == '<', c == '>', c == '&', c == 0x7f:
			n += len(`\u0000`) - 1
		case c == '"', c == '\\':
			n++
		case c == 0xe2: // U+2028 and U+2029 are escaped
			n += len(`\u2028`) - 3
		}
	}
	return n
}

// isJSONNumber reports whether text can stand as a number in JSON and CSV.
func isJSONNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}

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
	Format Format // CSV, NDJSON or GeoJSON
	// Safe puts an apostrophe before the cells of a CSV file that a spreadsheet
	// would take for a formula. The numbers that geogate adds are left alone.
	Safe bool
}

// renderingVersion changes when the same rows are rendered to other bytes: the
// sizes that were noted before no longer hold, and downloads that were begun
// cannot be resumed.
const renderingVersion = 2

// addedColumns are appended to each row.
var addedColumns = []string{"lat", "lon", "display_name", "type", "importance", "outcome", "cache", "provider"}

// variants are the renderings that differ in bytes, in the order of sizes.
var variants = []Rendering{{CSV, false}, {CSV, true}, {NDJSON, false}, {GeoJSON, false}}

// sizes are lengths in bytes, by variant.
type sizes [4]int64

// variant returns the index of what r renders to.
func (r Rendering) variant() (int, error) {
	i := slices.Index(variants, Rendering{r.Format, r.Safe && r.Format == CSV})
	if i < 0 {
		return 0, &InputError{"unknown_format", fmt.Sprintf("unknown format %q", r.Format), "csv, ndjson or geojson"}
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

// head and foot surround the rows.
func (r *renderer) head(variant int) []byte {
	var b []byte
	switch v := variants[variant]; v.Format {
	case CSV:
		for _, name := range r.names {
			b = appendCell(b, name, v.Safe)
			b = append(b, ',')
		}
		b = append(b, strings.Join(addedColumns, ",")...)
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
		case CSV:
			b = r.csvRow(b, &rows[i], &answers[i], v.Safe)
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
	for i := range rows {
		for j := range rows[i].cells {
			s[1] += prefixLen(r.spec.text(&rows[i], j))
		}
		a := &answers[i]
		s[1] += prefixLen(a.DisplayName) + prefixLen(a.Type) + prefixLen(a.Provider)
		s[3] += int64(len(geoSeparator)-1) + featureLen(a)
	}
	if first {
		s[3] -= int64(len(geoSeparator))
	}
	return s
}

func (r *renderer) csvRow(b []byte, in *row, a *done, safe bool) []byte {
	for i := range r.names {
		b = appendCell(b, r.spec.text(in, i), safe)
		b = append(b, ',')
	}
	for _, number := range [...]string{a.Lat, a.Lon} {
		b = append(b, number...)
		b = append(b, ',')
	}
	b = appendCell(b, a.DisplayName, safe)
	b = append(b, ',')
	b = appendCell(b, a.Type, safe)
	b = append(b, ',')
	b = append(b, a.Importance...)
	b = append(b, ',')
	b = append(b, a.Outcome...)
	b = append(b, ',')
	b = append(b, boolText(a.Cached)...)
	b = append(b, ',')
	b = appendCell(b, a.Provider, safe)
	return append(b, '\n')
}

// appendCell quotes a cell where RFC 4180 asks for it.
func appendCell(b []byte, cell string, safe bool) []byte {
	quoted := strings.ContainsAny(cell, "\",\r\n")
	if quoted {
		b = append(b, '"')
	}
	if safe && prefixLen(cell) > 0 {
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

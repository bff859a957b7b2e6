package bulk

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// readAll reads an upload to its end. A malformed row is shown with "!" in
// front.
func readAll(t *testing.T, u Upload) (*rowReader, [][]string) {
	t.Helper()
	r, err := readRows(u)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for {
		next, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if next.malformed {
			next.cells = append([]string{"!"}, next.cells...)
		}
		rows = append(rows, next.cells)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	return r, rows
}

func TestCSVOfTheRealWorld(t *testing.T) {
	type rows = [][]string
	tests := []struct {
		name    string
		file    string
		columns []string
		want    rows
	}{
		{"plain", "id,address\n1,Vaduz\n2,Schaan\n", []string{"id", "address"}, rows{{"1", "Vaduz"}, {"2", "Schaan"}}},
		{"no line feed at the end", "id,address\n1,Vaduz", []string{"id", "address"}, rows{{"1", "Vaduz"}}},
		{"carriage returns", "id,address\r\n1,Vaduz\r\n", []string{"id", "address"}, rows{{"1", "Vaduz"}}},
		{"lone carriage returns", "id,address\r1,Vaduz\r2,Schaan", []string{"id", "address"}, rows{{"1", "Vaduz"}, {"2", "Schaan"}}},
		{"semicolons, commas within", "id;address\n1;Städtle 1, Vaduz\n", []string{"id", "address"}, rows{{"1", "Städtle 1, Vaduz"}}},
		{"tabs, empty cells", "id\taddress\tx\n\tVaduz\t\n\t\t\n", []string{"id", "address", "x"}, rows{{"", "Vaduz", ""}, {"", "", ""}}},
		{"pipes", "id|address\n1|Vaduz\n", []string{"id", "address"}, rows{{"1", "Vaduz"}}},
		{"separator named by a spreadsheet", "sep=;\r\nid;address\r\n1;a,b\r\n", []string{"id", "address"}, rows{{"1", "a,b"}}},
		{"byte order mark", "\xEF\xBB\xBFid,address\n1,Vaduz\n", []string{"id", "address"}, rows{{"1", "Vaduz"}}},
		{"quoted line break", "id,address\n1,\"Städtle 1\r\nVaduz\"\n2,Schaan\n", []string{"id", "address"}, rows{{"1", "Städtle 1\r\nVaduz"}, {"2", "Schaan"}}},
		{"quotes in quotes", "id,address\n1,\"Haus \"\"Rose\"\", Vaduz\"\n", []string{"id", "address"}, rows{{"1", `Haus "Rose", Vaduz`}}},
		{"bare quote", "id,address\n1,Rohr 5\" lang\n", []string{"id", "address"}, rows{{"1", `Rohr 5" lang`}}},
		{"quote within a quoted cell", "id,address\n1,\"Haus \"Rose\" Vaduz\"\n2,x\n", []string{"id", "address"}, rows{{"1", `Haus "Rose" Vaduz`}, {"2", "x"}}},
		{
			"quote that is never closed", "id,address\n1,\"Vaduz\n2,Schaan\n3,\"Balzers\"\n", []string{"id", "address"},
			rows{{"!", "1", "Vaduz"}, {"2", "Schaan"}, {"3", "Balzers"}},
		},
		{"quote open at the end", "id,address\n1,Vaduz\n2,\"Schaan", []string{"id", "address"}, rows{{"1", "Vaduz"}, {"!", "2", "Schaan"}}},
		{
			"ragged rows", "id,address\n1\n2,Vaduz,FL\n3,Schaan\n", []string{"id", "address", "column_3"},
			rows{{"!", "1"}, {"!", "2", "Vaduz", "FL"}, {"3", "Schaan"}},
		},
		{"blank lines", "id,address\n\n1,Vaduz\n  \n\n", []string{"id", "address"}, rows{{"1", "Vaduz"}}},
		{"one address a line", "Städtle 1, Vaduz\nSchaan\nLandstrasse 5, 9490 Vaduz, FL\n", []string{"column_1"}, rows{{"Städtle 1, Vaduz"}, {"Schaan"}, {"Landstrasse 5, 9490 Vaduz, FL"}}},
		{"one column with header", "address\nStädtle 1, Vaduz\n", []string{"address"}, rows{{"Städtle 1, Vaduz"}}},
		{"no header", "1,Vaduz\n2,Schaan\n", []string{"column_1", "column_2"}, rows{{"1", "Vaduz"}, {"2", "Schaan"}}},
		{"header by numbers below", "Nummer,Ziel\n1,Vaduz\n2,Schaan\n", []string{"Nummer", "Ziel"}, rows{{"1", "Vaduz"}, {"2", "Schaan"}}},
		{"names twice or not at all", "name,name,,address\na,b,c,d\n", []string{"name", "name_2", "column_3", "address"}, rows{{"a", "b", "c", "d"}}},
		{"western code page in one row", "id,address\n1,Z\xFCrich\n2,Zürich\n", []string{"id", "address"}, rows{{"1", "Zürich"}, {"2", "Zürich"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, got := readAll(t, Upload{Body: strings.NewReader(tt.file)})
			if diff := cmp.Diff(tt.columns, r.spec.Columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	const text = "id;address\n1;Städtle 1, Vaduz €\n2;長野県\n"
	want := [][]string{{"1", "Städtle 1, Vaduz €"}, {"2", "長野県"}}
	utf16 := func(e unicode.Endianness, bom unicode.BOMPolicy) string {
		encoded, err := unicode.UTF16(e, bom).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	western, err := charmap.Windows1252.NewEncoder().String("id;address\n1;Zürich\n")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file, charset string
		want                [][]string
	}{
		{"little-endian with mark", utf16(unicode.LittleEndian, unicode.UseBOM), "", want},
		{"big-endian with mark", utf16(unicode.BigEndian, unicode.UseBOM), "", want},
		{"little-endian without", utf16(unicode.LittleEndian, unicode.IgnoreBOM), "", want},
		{"big-endian without", utf16(unicode.BigEndian, unicode.IgnoreBOM), "", want},
		{"the mark beats the charset", utf16(unicode.LittleEndian, unicode.UseBOM), "utf-8", want},
		{"charset named", western, "iso-8859-1", [][]string{{"1", "Zürich"}}},
		{"charset not named", western, "", [][]string{{"1", "Zürich"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := readAll(t, Upload{Body: strings.NewReader(tt.file), Charset: tt.charset})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNDJSON(t *testing.T) {
	file := `{"q":"Vaduz","n":1,"deep":{"a":[1,2]}}
"Schaan"

{"q": "Balz\u0065rs", "q2": null}
[1]
{"q":"x"
`
	r, got := readAll(t, Upload{Body: strings.NewReader(file), Format: NDJSON})
	want := [][]string{
		{`"Vaduz"`, "1", `{"a":[1,2]}`},
		{`"Schaan"`},
		{`"Balz\u0065rs"`, "", "", "null"},
		{"!", "", "", "", "", `"[1]"`},
		{"!", "", "", "", "", `"{\"q\":\"x\""`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"q", "n", "deep", "q2", "input"}, r.spec.Columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if text := r.spec.text(&row{cells: got[2]}, 0); text != "Balzers" {
		t.Errorf("text = %q, want Balzers", text)
	}
}

func TestUploadsThatCannotBeUnderstood(t *testing.T) {
	tests := []struct {
		name string
		u    Upload
		code string
	}{
		{"nothing", Upload{}, "no_rows"},
		{"blank lines only", Upload{Body: strings.NewReader("\n \n")}, "no_rows"},
		{"header only", Upload{Body: strings.NewReader("id,address\n")}, "no_rows"},
		{"a spreadsheet", Upload{Body: strings.NewReader("PK\x03\x04…")}, "not_text"},
		{"zero bytes", Upload{Body: strings.NewReader("a\x00\x00\x00b\x00\x00\x00\x00c")}, "not_text"},
		{"unknown charset", Upload{Body: strings.NewReader("a,b\n1,2\n"), Charset: "klingon"}, "unknown_charset"},
		{"a line without end", Upload{Body: strings.NewReader("address\n" + strings.Repeat("x", maxRecord+1))}, "row_too_long"},
		{"unknown column", Upload{Body: strings.NewReader("id,address\n1,Vaduz\n"), Options: Options{Columns: []string{"ort"}}}, "unknown_column"},
		{"unknown name in NDJSON", Upload{Body: strings.NewReader(`{"a":1}`), Options: Options{Columns: []string{"b"}}}, "unknown_column"},
		{"no coordinates", Upload{Body: strings.NewReader("id,address\n1,Vaduz\n"), Options: Options{Mode: Reverse}}, "unknown_column"},
		{"one coordinate", Upload{Body: strings.NewReader("lat,lon\n1,2\n"), Options: Options{Mode: Reverse, Columns: []string{"lat"}}}, "wrong_columns"},
		{"too many columns", Upload{Body: strings.NewReader("address" + strings.Repeat(",x", maxColumns) + "\n")}, "too_many_columns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.u.Body == nil {
				tt.u.Body = strings.NewReader("")
			}
			r, err := readRows(tt.u)
			if err == nil {
				err = r.readChunks(t.Context(), 1000, func(int, []byte) error { return nil })
			}
			var input *InputError
			if !errors.As(err, &input) || input.Code != tt.code {
				t.Errorf("error = %v, want code %s", err, tt.code)
			}
		})
	}
}

func TestQuestions(t *testing.T) {
	header := true
	tests := []struct {
		name, file string
		o          Options
		want       []string // of Q or "lat/lon"; "-" for an invalid row
	}{
		{"the column named address", "id,Address\n1,Vaduz\n", Options{}, []string{"Vaduz"}},
		{"the first column", "ort,land\nVaduz,FL\n", Options{}, []string{"Vaduz"}},
		{"several", "street,no,city\n  Städtle ,1, Vaduz\nx,,\n,,\n", Options{Columns: []string{"Street", "no", "city"}}, []string{"Städtle, 1, Vaduz", "x", "-"}},
		{"by number", "a,Vaduz\nb,Schaan\n", Options{Columns: []string{"2"}}, []string{"Vaduz", "Schaan"}},
		{"header said", "Vaduz\nSchaan\n", Options{Header: &header}, []string{"Schaan"}},
		{"too long", "address\n" + strings.Repeat("x", maxQuestion+1) + "\n" + strings.Repeat("ü", maxQuestion) + "\n", Options{}, []string{"-", strings.Repeat("ü", maxQuestion)}},
		{"coordinates", "Latitude;lng\n47,14;9,52\n91;1\nNaN;1\n1;\n", Options{Mode: Reverse}, []string{"47.14/9.52", "-", "-", "-"}},
		{"composed", "address\nZu\u0308rich\n", Options{}, []string{"Zürich"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, rows := readAll(t, Upload{Body: strings.NewReader(tt.file), Options: tt.o})
			var got []string
			for _, cells := range rows {
				q, wrong := r.spec.query(&row{cells: cells, malformed: len(cells) > 0 && cells[0] == "!"})
				switch {
				case wrong != "":
					got = append(got, "-")
				case tt.o.Mode == Reverse:
					got = append(got, strings.Join([]string{formatDegrees(q.Lat), formatDegrees(q.Lon)}, "/"))
				default:
					got = append(got, q.Q)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("questions = %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("id,address\n1,\"a\nb\"\n2,c\"d\n3,\"e\n")
	f.Add("\"\"\"\n\",\"\r\r\n,")
	f.Fuzz(func(t *testing.T, file string) {
		r := newCSVReader(bufioOf(file), ',')
		var got [][]string
		malformed := false
		for {
			rec, err := r.next()
			if err != nil {
				break
			}
			if len(rec.cells) == 0 {
				t.Fatalf("a record without cells in %q", file)
			}
			malformed = malformed || rec.malformed
			got = append(got, rec.cells)
		}
		// What encoding/csv takes without complaint means the same here.
		strict := csv.NewReader(strings.NewReader(file))
		strict.FieldsPerRecord = -1
		want, err := strict.ReadAll()
		if err != nil || malformed || strings.ContainsAny(file, "\r\x00") || strings.ToValidUTF8(file, "") != file || hasBlankLine(file) {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-encoding/csv +here):\n%s", file, diff)
		}
	})
}

// A file that ends nowhere costs no more memory than one record.
func TestStrayQuoteDoesNotSwallowTheFile(t *testing.T) {
	rows := 0
	file := streets(100_000, func(i int) string {
		if i == 10 {
			return "10,\"Vaduz,x\n"
		}
		return "1,Städtle,x\n"
	})
	r, err := readRows(Upload{Body: file})
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for {
		next, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rows++; next.malformed {
			bad++
		}
	}
	if rows != 100_000 || bad != 1 {
		t.Errorf("%d rows, %d malformed, want 100000 and 1", rows, bad)
	}
}

func bufioOf(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

func formatDegrees(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// hasBlankLine: encoding/csv keeps a line of blanks, which is no row here.
func hasBlankLine(file string) bool {
	for line := range strings.Lines(file) {
		if strings.TrimSpace(line) == "" {
			return true
		}
	}
	return false
}

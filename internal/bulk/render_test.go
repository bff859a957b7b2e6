package bulk

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rendered is the whole of a result of one chunk.
func rendered(s *spec, r Rendering, rows []row, answers []done) string {
	variant, err := r.variant()
	if err != nil {
		panic(err)
	}
	render := newRenderer(s)
	b := render.head(variant)
	b = render.rows(b, variant, true, rows, answers)
	return string(append(b, render.foot(variant)...))
}

var (
	sampleSpec = &spec{Format: CSV, Columns: []string{"id", "lat", "note"}}
	sampleRows = []row{
		{cells: []string{"1", "x", "=1+1"}},
		{cells: []string{"2"}, malformed: true},
		{cells: []string{"3", "-5", "a\n\"b\", c"}},
	}
	sampleAnswers = []done{
		{Outcome: OutcomeFound, Lat: "47.14", Lon: "-9.52", DisplayName: "Vaduz, @FL", Type: "city", Importance: "0.5", Licence: "© A; B", Provider: "own", Cached: true},
		{Outcome: OutcomeInvalid},
		{Outcome: OutcomeEmpty, Provider: "own"},
	}
)

func TestRender(t *testing.T) {
	tests := []struct {
		name string
		r    Rendering
		want string
	}{
		{"csv", Rendering{Format: CSV}, `id,input_lat,note,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence
1,x,=1+1,47.14,-9.52,"Vaduz, @FL",city,0.5,found,true,own,,© A; B
2,,,,,,,,invalid,false,,"the row has too few or too many cells, or a quote that is not closed",
3,-5,"a
""b"", c",,,,,,empty,false,own,the geocoder knows no such place,
`},
		{"safe csv", Rendering{CSV, true}, `id,input_lat,note,lat,lon,display_name,type,importance,outcome,cache,provider,reason,licence
1,x,'=1+1,47.14,-9.52,"Vaduz, @FL",city,0.5,found,true,own,,© A; B
2,,,,,,,,invalid,false,,"the row has too few or too many cells, or a quote that is not closed",
3,'-5,"a
""b"", c",,,,,,empty,false,own,the geocoder knows no such place,
`},
		{"ndjson", Rendering{NDJSON, true}, `{"id":"1","input_lat":"x","note":"=1+1","lat":47.14,"lon":-9.52,"display_name":"Vaduz, @FL","type":"city","importance":0.5,"outcome":"found","cache":true,"provider":"own","reason":null,"licence":"© A; B"}
{"id":"2","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"invalid","cache":false,"provider":null,"reason":"the row has too few or too many cells, or a quote that is not closed","licence":null}
{"id":"3","input_lat":"-5","note":"a\n\"b\", c","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"empty","cache":false,"provider":"own","reason":"the geocoder knows no such place","licence":null}
`},
		{"geojson", Rendering{Format: GeoJSON}, `{"type":"FeatureCollection","features":[
{"type":"Feature","geometry":{"type":"Point","coordinates":[-9.52,47.14]},"properties":{"id":"1","input_lat":"x","note":"=1+1","lat":47.14,"lon":-9.52,"display_name":"Vaduz, @FL","type":"city","importance":0.5,"outcome":"found","cache":true,"provider":"own","reason":null,"licence":"© A; B"}},
{"type":"Feature","geometry":null,"properties":{"id":"2","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"invalid","cache":false,"provider":null,"reason":"the row has too few or too many cells, or a quote that is not closed","licence":null}},
{"type":"Feature","geometry":null,"properties":{"id":"3","input_lat":"-5","note":"a\n\"b\", c","lat":null,"lon":null,"display_name":null,"type":null,"importance":null,"outcome":"empty","cache":false,"provider":"own","reason":"the geocoder knows no such place","licence":null}}
]}
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rendered(sampleSpec, tt.r, sampleRows, sampleAnswers)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Excel opens what it has saved: with its own separator and its own mark.
func TestRenderExcel(t *testing.T) {
	s := *sampleSpec
	if got, want := rendered(&s, Rendering{Format: Excel}, sampleRows, sampleAnswers), "\uFEFF"+rendered(&s, Rendering{CSV, true}, sampleRows, sampleAnswers); got != want {
		t.Errorf("of commas: %s\nwant\n%s", got, want)
	}
	s.Semicolons = true
	want := "\uFEFF" + `id;input_lat;note;lat;lon;display_name;type;importance;outcome;cache;provider;reason;licence
1;x;'=1+1;47.14;-9.52;Vaduz, @FL;city;0.5;found;true;own;;"© A; B"
2;;;;;;;;invalid;false;;the row has too few or too many cells, or a quote that is not closed;
3;'-5;"a
""b"", c";;;;;;empty;false;own;the geocoder knows no such place;
`
	if diff := cmp.Diff(want, rendered(&s, Rendering{Format: Excel}, sampleRows, sampleAnswers)); diff != "" {
		t.Errorf("of semicolons (-want +got):\n%s", diff)
	}
}

func TestRenderNDJSONAsItCame(t *testing.T) {
	s := &spec{Format: NDJSON, Columns: []string{"q", "n", "lon"}}
	rows := []row{{cells: []string{`"V\u00e4"`, `{"a":[1]}`, "null"}}, {cells: []string{"", "2"}}}
	answers := []done{{Outcome: OutcomeEmpty}, {Outcome: OutcomeInvalid}}
	got := rendered(s, Rendering{Format: NDJSON}, rows, answers)
	if !strings.HasPrefix(got, `{"q":"V\u00e4","n":{"a":[1]},"input_lon":null,"lat":null`) {
		t.Errorf("ndjson = %s", got)
	}
	got = rendered(s, Rendering{Format: CSV}, rows, answers)
	if !strings.Contains(got, "\nVä,\"{\"\"a\"\":[1]}\",,,,") || !strings.Contains(got, "\n,2,,,,") {
		t.Errorf("csv = %s", got)
	}
}

// What is announced as the length of a result is its length, for every variant
// and wherever a chunk stands; and everything stored is read back as it was.
func TestMeasureAndCodec(t *testing.T) {
	text := rapid.StringMatching(`[=+@"',;\\<\x00-\x1fa-zä€ -]{0,12}`)
	number := rapid.SampledFrom([]string{"0", "-9.52", "47.1401234"})
	answer := rapid.Custom(func(t *rapid.T) done {
		d := done{Outcome: rapid.SampledFrom([]Outcome{OutcomeFound, OutcomeEmpty, OutcomeInvalid, OutcomeFailed}).Draw(t, "outcome")}
		if d.Outcome == OutcomeInvalid {
			return d
		}
		d.Cached, d.Provider = rapid.Bool().Draw(t, "cached"), text.Draw(t, "provider")
		if d.Outcome == OutcomeFound {
			d.Lat, d.Lon = number.Draw(t, "lat"), number.Draw(t, "lon")
			d.DisplayName, d.Type, d.Licence = text.Draw(t, "name"), text.Draw(t, "type"), text.Draw(t, "licence")
		}
		return d
	})
	rapid.Check(t, func(t *rapid.T) {
		s := &spec{
			Format: rapid.SampledFrom([]Format{CSV, NDJSON}).Draw(t, "format"), Columns: []string{"a", "lat", "c"},
			Mode: Search, Asked: []int{0}, Semicolons: rapid.Bool().Draw(t, "semicolons"),
		}
		cell := rapid.Custom(func(t *rapid.T) string {
			v := text.Draw(t, "cell")
			if s.Format == NDJSON {
				return string(appendJSON(nil, v))
			}
			return v
		})
		n := rapid.IntRange(1, 5).Draw(t, "rows")
		var stored []byte
		rows, answers := make([]row, n), make([]done, n)
		for i := range rows {
			rows[i] = row{cells: rapid.SliceOfN(cell, 0, 3).Draw(t, "cells"), malformed: rapid.Bool().Draw(t, "malformed")}
			answers[i] = answer.Draw(t, "answer")
			stored = appendRow(stored, &rows[i])
		}
		first := rapid.Bool().Draw(t, "first")
		render := newRenderer(s)
		measured := render.measure(first, rows, answers)
		for v := range variants {
			got := render.rows(nil, v, first, rows, answers)
			if int64(len(got)) != measured[v] {
				t.Errorf("%v renders to %d bytes, measured %d:\n%s", variants[v], len(got), measured[v], got)
			}
			if variants[v].Format == NDJSON {
				for line := range strings.Lines(string(got)) {
					if !json.Valid([]byte(line)) {
						t.Errorf("invalid JSON %s", line)
					}
				}
			}
		}
		gotRows, err := decodeRows(compress(stored))
		if err != nil || !cmp.Equal(gotRows, rows, cmp.AllowUnexported(row{})) {
			t.Errorf("rows %v come back as %v, %v", rows, gotRows, err)
		}
		gotAnswers, err := decodeAnswers(encodeAnswers(answers))
		if err != nil || !cmp.Equal(gotAnswers, answers) {
			t.Errorf("answers %v come back as %v, %v", answers, gotAnswers, err)
		}
	})
}

// Spreadsheets take these cells for formulas.
func TestSafeCellsAreNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "\r=1": "\"'\r=1\"", "\n=1": "\"'\n=1\"",
		"＝1+1": "'＝1+1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x",
		"": "", "1=1": "1=1", "Ｖaduz": "Ｖaduz", "\xFF=": "\xFF=", "'=1": "'=1",
	} {
		if got := string((cells{',', true}).append(nil, cell)); got != want {
			t.Errorf("safe cell of %q = %q, want %q", cell, got, want)
		}
		if got := string((cells{',', false}).append(nil, cell)); strings.ContainsRune(got, '\'') != strings.ContainsRune(cell, '\'') {
			t.Errorf("cell of %q = %q, want it as it is", cell, got)
		}
	}
}

// Answers of the version before had no licence.
func TestAnswersWithoutLicenceAreRead(t *testing.T) {
	want := done{Outcome: OutcomeFound, Lat: "1", Lon: "2", DisplayName: "Vaduz", Type: "city", Importance: "0.5", Provider: "own", Cached: true}
	stored := []byte{codeFoundUnlicensed<<1 | 1}
	for _, text := range []string{"own", "1", "2", "Vaduz", "city", "0.5"} {
		stored = appendText(stored, text)
	}
	got, err := decodeAnswers(compress(stored))
	if err != nil || !cmp.Equal(got, []done{want}) {
		t.Errorf("decodeAnswers = %v, %v, want %v", got, err, want)
	}
}

// Every row that has no place says why.
func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spec    spec
		row     row
		outcome Outcome
		want    string
	}{
		{"found", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"Vaduz"}}, OutcomeFound, ""},
		{"not asked yet", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"Vaduz"}}, "", ""},
		{"cells", spec{Mode: Search, Format: CSV}, row{malformed: true}, OutcomeInvalid, reasonCells},
		{"object", spec{Mode: Search, Format: NDJSON}, row{malformed: true}, OutcomeInvalid, reasonObject},
		{"blank", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{" "}}, OutcomeInvalid, reasonBlank},
		{"long", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{strings.Repeat("ä", maxQuestion+1)}}, OutcomeInvalid, reasonLong},
		{"NUL", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"a\x00"}}, OutcomeInvalid, reasonNUL},
		{"position", spec{Mode: Reverse, Asked: []int{0, 1}}, row{cells: []string{"91", "9"}}, OutcomeInvalid, reasonPosition},
		{"refused", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"Vaduz"}}, OutcomeInvalid, reasonRefused},
		{"no such place", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"Vaduz"}}, OutcomeEmpty, reasonNoPlace},
		{"nothing there", spec{Mode: Reverse, Asked: []int{0, 1}}, row{cells: []string{"1", "2"}}, OutcomeEmpty, reasonNothing},
		{"failed", spec{Mode: Search, Asked: []int{0}}, row{cells: []string{"Vaduz"}}, OutcomeFailed, reasonFailed},
	} {
		if got := tt.spec.reason(&tt.row, tt.outcome); got != tt.want {
			t.Errorf("%s: reason = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encodeAnswers(sampleAnswers))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, stored []byte) {
		_, _ = decodeRows(stored)
		_, _ = decodeAnswers(stored)
		_, _ = decodeRows(compress(stored))
		_, _ = decodeAnswers(compress(stored))
	})
}

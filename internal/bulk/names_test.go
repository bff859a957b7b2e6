package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A preview of 4 KB took 0.48 s.
func TestThousandEqualNames(t *testing.T) {
	file := strings.Repeat("a,", maxColumns-1) + "a\n" + strings.Repeat("1,", maxColumns-1) + "1\n"
	header := true
	quickest := time.Hour // a busy machine may hold up the others
	for range 10 {
		began := time.Now()
		p, err := NewPreview(t.Context(), Upload{Body: strings.NewReader(file), Options: Options{Header: &header}})
		quickest = min(quickest, time.Since(began))
		if err != nil || len(p.Columns) != maxColumns || p.Columns[999] != "a_1000" {
			t.Fatalf("%d columns, %v", len(p.Columns), err)
		}
	}
	t.Logf("%d bytes in %s", len(file), quickest)
	if quickest > 50*time.Millisecond {
		t.Errorf("a preview of %d bytes took %s, want 50 ms at most", len(file), quickest)
	}
}

func TestNamesStayDifferent(t *testing.T) {
	l := newNameList()
	if err := l.addHeader([]string{"a", "a_2", "a", "a", "a_2", "", "column_6", " a "}, true); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(l.names, " "), "a a_2 a_3 a_4 a_2_2 column_6 column_6_2 a_5"; got != want {
		t.Errorf("names %q, want %q", got, want)
	}
}

func TestNamesAreBounded(t *testing.T) {
	long := strings.Repeat("n", maxName)
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%0500d,", i)
		}
		return b.String()
	}
	tests := []struct {
		name string
		u    Upload
		code string
	}{
		{"a name of CSV", Upload{Body: strings.NewReader("id," + long + "\n1,2\n"), Format: CSV}, "name_too_long"},
		{"a name of NDJSON", Upload{Body: strings.NewReader(`{"` + long + `":1}`)}, "name_too_long"},
		{"a name that JSON makes long", Upload{Body: strings.NewReader("id," + strings.Repeat("<", maxName/5) + "\n1,2\n"), Format: CSV}, "name_too_long"},
		{"all names of CSV", Upload{Body: strings.NewReader("id," + many(200) + "\n1,2\n"), Format: CSV}, "names_too_long"},
		{"all names of NDJSON", Upload{Body: ndjsonOf(200, func(i int) string { return fmt.Sprintf(`{"%0500d":1}`, i) })}, "names_too_long"},
		{"columns of a question", Upload{Body: strings.NewReader("a,b\n1,2\n"), Options: Options{Columns: make([]string, maxAsked+1)}}, "too_many_columns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readToEnd(t, tt.u)
			var input *InputError
			if !errors.As(err, &input) || input.Code != tt.code {
				t.Errorf("error = %v, want code %s", err, tt.code)
			}
		})
	}
}

func ndjsonOf(n int, line func(i int) string) *bytes.Buffer {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	return &b
}

func TestJSONLenIsEnough(t *testing.T) {
	for _, text := range []string{"", "plain", "\"\\\n\t\b\f\x00\x1f", "<>&\x7f", "\u2028\u2029 âé長", "\xff"} {
		if got := len(appendJSON(nil, text)); jsonLen(text) < got && text != "\xff" {
			t.Errorf("jsonLen(%q) = %d, want at least %d", text, jsonLen(text), got)
		}
	}
	if !json.Valid(appendJSON(nil, "\xff")) {
		t.Error("not valid")
	}
}

// Excel writes headers in the language of whoever uses it.
//
//nolint:misspell // not all of it is English
func TestAddressColumnIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		header string
		asked  string
	}{
		"English":                {"Id,Full address,Zip", "Full address"},
		"German, capitals":       {"NR,ANSCHRIFT,PLZ", "ANSCHRIFT"},
		"French":                 {"Nom,Adresse complète,Ville", "Adresse complète"},
		"French, accents apart":  {"Nom,Adresse comple\u0300te,Ville", "Adresse comple\u0300te"},
		"Spanish":                {"Nombre,Dirección,Ciudad", "Dirección"},
		"Spanish, no accent":     {"Nombre,DIRECCION,Ciudad", "DIRECCION"},
		"Portuguese":             {"Nome,Endereço,Cidade", "Endereço"},
		"Italian":                {"Nome,Indirizzo,Città", "Indirizzo"},
		"Polish":                 {"Imię,Adres:,Miasto", "Adres:"},
		"Turkish":                {"Ad,ADRES,Şehir", "ADRES"},
		"Hungarian":              {"Név,Cím,Város", "Cím"},
		"Finnish":                {"Nimi,Osoite,Kunta", "Osoite"},
		"Greek, no accent":       {"Όνομα,ΔΙΕΥΘΥΝΣΗ,Πόλη", "ΔΙΕΥΘΥΝΣΗ"},
		"Russian":                {"Имя,Адрес,Город", "Адрес"},
		"Arabic":                 {"الاسم,العنوان,المدينة", "العنوان"},
		"Hebrew":                 {"שם,כתובת,עיר", "כתובת"},
		"Hindi":                  {"नाम,पता,शहर", "पता"},
		"Thai":                   {"ชื่อ,ที่อยู่,เมือง", "ที่อยู่"},
		"Chinese":                {"姓名,地址,城市", "地址"},
		"Japanese":               {"名前,住所,市", "住所"},
		"Korean":                 {"이름,주소,도시", "주소"},
		"Vietnamese":             {"Tên,Địa chỉ,Thành phố", "Địa chỉ"},
		"underscore":             {"id,street_address,city", "street_address"},
		"a question goes before": {"address,q,id", "q"},
		"the first of two":       {"id,adresse,address", "adresse"},

		"e-mail is no address": {"id,e-postadress,stad", "id guessed"},
		"none":                 {"id,street,city", "id guessed"},
		"one column":           {"street", "street"},
	} {
		t.Run(name, func(t *testing.T) {
			cells := strings.Count(tt.header, ",")
			p, err := NewPreview(t.Context(), Upload{Format: CSV, Body: strings.NewReader(tt.header + "\n" + strings.Repeat("x,", cells) + "x\n")})
			if err != nil {
				t.Fatal(err)
			}
			asked := strings.Join(p.Asked, ",")
			if p.Guessed {
				asked += " guessed"
			}
			if !p.Header || asked != tt.asked {
				t.Errorf("header %t, asks for %q, want %q", p.Header, asked, tt.asked)
			}
		})
	}
}

package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	tests := []struct {
		in   string
		want string // elements, each followed by |
		ok   bool
	}{
		{`[]`, ``, true},
		{` [ 1 , "a,]" , {"a":[1,2]} , [ ] ] `, `1|"a,]"|{"a":[1,2]}|[ ]|`, true},
		{`[1`, ``, false},
		{`[1,]`, `1|`, false},
		{`[1 2]`, `1|`, false},
		{`[1]x`, `1|`, false},
		{`[}`, ``, false},
		{`{}`, ``, false},
	}
	for _, tt := range tests {
		got, ok := "", true
		for element, whole := range Elements([]byte(tt.in)) {
			if ok = whole; ok {
				got += string(bytes.TrimSpace(element)) + "|"
			}
		}
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("Elements(%q) = %q, %t, want %q, %t", tt.in, got, ok, tt.want, tt.ok)
		}
		if n := strings.Count(tt.want, "|"); ok && counted(tt.in, 1) != n {
			t.Errorf("Array counts %d elements in %q, want %d", counted(tt.in, 1), tt.in, n)
		}
	}
}

// counted is how many elements an Array counts in JSON that comes in parts of a size.
func counted(body string, size int) int {
	var a Array
	for part := range slices.Chunk([]byte(body), size) {
		a.Look(part)
	}
	return a.Elements()
}

func TestArrayIsKnownByItsFirstByte(t *testing.T) {
	for body, want := range map[string]bool{"": false, " \n": false, " [": true, `{"a":[1,2]}`: false, `"["`: false} {
		var a Array
		a.Look([]byte(body))
		if a.Is() != want || a.Elements() != 0 {
			t.Errorf("Array(%q) = %t with %d elements, want %t with none", body, a.Is(), a.Elements(), want)
		}
	}
}

// What encoding/json takes for an array has the same elements here.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,2]`, `[{"a":"]"},[1,[2]],"\"",null]`, `[1,`, `[{]}]`, `[1]x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []json.RawMessage
		err := json.Unmarshal(body, &want)
		var got [][]byte
		ok := true
		for element, whole := range Elements(body) {
			if ok = whole; ok {
				got = append(got, bytes.TrimSpace(element))
			}
		}
		if err != nil || want == nil {
			return
		}
		if !ok || len(got) != len(want) {
			t.Fatalf("%q has %d elements, %t, want %d", body, len(got), ok, len(want))
		}
		if n := counted(string(body), 3); n != len(want) {
			t.Errorf("Array counts %d elements in %q, want %d", n, body, len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("%q: element %d is %q, want %q", body, i, got[i], want[i])
			}
		}
	})
}

// No body is understood unless every name in it is that of one field, once.
func FuzzUnmarshal(f *testing.F) {
	type body struct {
		ID   ID       `json:"id"`
		Tags []string `json:"tags"`
		Coordinates
		Data json.RawMessage `json:"data"`
	}
	for _, seed := range []string{
		`{"id":"a","tags":["b"],"lat":1,"lng":"2"}`, `{"id":1,"id":2}`, `{"ID":1}`, `{"tag\u017f":[]}`, "{\"tag\u017f\":[]}",
		`{"data":{"a":1,"a":2}}`, `{"data":{"a":[{"b":1}]}}`, `{"i\u0064":1,"id":2}`, `[[[[`, `{"lat":"1e1"}`, `{"lat":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got body
		err := Unmarshal(in, &got)
		var p *Problem
		if err != nil && !errors.As(err, &p) {
			t.Fatalf("Unmarshal(%q) = %v, want a problem", in, err)
		}
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(in))
		if first, err := d.Token(); err != nil || first != json.Delim('{') {
			return // null
		}
		seen := map[string]bool{}
		known := map[string]bool{"id": true, "tags": true, "lat": true, "lng": true, "lon": true, "data": true}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				t.Fatalf("Unmarshal(%q) took what is not JSON: %v", in, err)
			}
			if !known[name.(string)] || seen[name.(string)] {
				t.Fatalf("Unmarshal(%q) took the name %q", in, name)
			}
			seen[name.(string)] = true
			var value json.RawMessage
			if err := d.Decode(&value); err != nil {
				t.Fatalf("Unmarshal(%q) took what is not JSON: %v", in, err)
			}
		}
	})
}

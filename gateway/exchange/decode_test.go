package exchange

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUnmarshal(t *testing.T) {
	type body struct {
		ID   ID       `json:"id"`
		Name string   `json:"name"`
		Lat  *float64 `json:"lat"`
	}
	tests := []struct {
		name string
		in   string
		code string // empty: accepted
	}{
		{"object", `{"id":"a","name":"b","lat":1}`, ""},
		{"id as a number", `{"id":12345678901234567890}`, ""},
		{"id as a negative number", `{"id":-7}`, ""},
		{"escapes", `{"name":"\\u0000 \" \n 😀"}`, ""},
		{"empty", ``, "empty_body"},
		{"white space", " \n", "empty_body"},
		{"not JSON", `id=1`, "invalid_json"},
		{"cut off", `{"id":"a"`, "invalid_json"},
		{"two values", `{"id":"a"}{}`, "invalid_json"},
		{"trailing comma", `{"id":"a",}`, "invalid_json"},
		{"unknown field", `{"identity":"a"}`, "unknown_field"},
		{"number as a string", `{"lat":"1"}`, "wrong_type"},
		{"string as a number", `{"name":1}`, "wrong_type"},
		{"array for an object", `[]`, "wrong_type"},
		{"id as a fraction", `{"id":1.5}`, "wrong_type"},
		{"id with an exponent", `{"id":1e3}`, "wrong_type"},
		{"id as an object", `{"id":{}}`, "wrong_type"},
		{"id as true", `{"id":true}`, "wrong_type"},
		{"number out of range", `{"lat":1e999}`, "wrong_type"},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", "invalid_utf8"},
		{"escaped NUL", `{"name":"a\u0000"}`, "invalid_text"},
		{"escaped NUL after a backslash", `{"name":"\\\u0000"}`, "invalid_text"},
		{"raw NUL", "{\"name\":\"\x00\"}", "invalid_json"},
		{"lone high surrogate", `{"name":"\ud83d"}`, "invalid_utf8"},
		{"lone low surrogate", `{"name":"\ude00"}`, "invalid_utf8"},
		{"surrogates the wrong way round", `{"name":"\ude00\ud83d"}`, "invalid_utf8"},
		{"high surrogate at the end", `{"name":"\ud83d`, "invalid_utf8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b body
			err := Unmarshal([]byte(tt.in), &b)
			var p *Problem
			switch {
			case tt.code == "" && err != nil:
				t.Errorf("Unmarshal(%q) = %v, want it accepted", tt.in, err)
			case tt.code != "" && !errors.As(err, &p):
				t.Errorf("Unmarshal(%q) = %v, want a problem %q", tt.in, err, tt.code)
			case tt.code != "" && p.Code != tt.code:
				t.Errorf("Unmarshal(%q) = %q (%s), want %q", tt.in, p.Code, p.Detail, tt.code)
			}
		})
	}
}

// Whatever passes, Go's decoder must have taken literally.
func FuzzCheckText(f *testing.F) {
	for _, seed := range []string{`{"a":"b"}`, `"\ud83d\ude00"`, `"\u0000"`, `"\\u0000"`, "\"\xff\"", `"\ud83d\\"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s string
		if checkText(body) != nil || json.Unmarshal(body, &s) != nil {
			return
		}
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("%q passed and became %q", body, s)
		}
		if strings.Count(s, "\uFFFD") > strings.Count(string(body), "\uFFFD")+strings.Count(strings.ToLower(string(body)), `\ufffd`) {
			t.Errorf("%q passed and was mended to %q", body, s)
		}
	})
}

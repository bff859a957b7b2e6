package fold

import (
	"slices"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"nothing but punctuation", " -- % ?!", ""},
		{"case and blanks", "  SAN   Francisco ", "san francisco"},
		{"accents", "São Paulo", "sao paulo"},
		{"accents already apart", "Sa\u0303o", "sao"},
		{"hyphen", "Gamprin-Bendern", "gamprin bendern"},
		{"apostrophes", "L'Aquila L’Aquila", "laquila laquila"},
		{"initials", "Washington D.C. U.S.A.", "washington dc usa"},
		{"abbreviation", "St.Gallen St. Gallen", "st gallen st gallen"},
		{"sharp s and o with stroke", "Großøya", "grossoya"},
		{"Polish l", "Łódź", "lodz"},
		{"Turkish i", "İstanbul Diyarbakır", "istanbul diyarbakir"},
		{"Vietnamese", "Đà Nẵng", "da nang"},
		{"Cyrillic with its short i", "Йошкар-Ола", "иошкар ола"},
		{"Greek final sigma", "ΠΕΙΡΑΙΆΣ Πειραιάς", "πειραιασ πειραιασ"},
		{"Arabic vowels", "القاهِرَة", "القاهره"},
		{"Han", "北京", "北京"},
		{"full width", "Ｔｏｋｙｏ", "tokyo"},
		{"half-width katakana", "ﾄｳｷｮｳ", "トウキョウ"},
		{"voicing marks stay", "がか", "がか"},
		{"Devanagari vowel signs stay", "दिल्ली", "दिल्ली"},
		{"Hangul", "서울", "서울"},
		{"NUL separates", "Vaduz\x00x", "vaduz x"},
		{"invalid UTF-8 separates", "a\xffb", "a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Key(tt.in); got != tt.want {
				t.Errorf("Key(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestPhrases(t *testing.T) {
	got := Phrases("Santiago de Chile, , Chile，中国;  % ")
	want := [][]string{{"santiago", "de", "chile"}, {"chile"}, {"中国"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("Phrases() = %q, want %q", got, want)
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"São Paulo", "U.S.A.", "İ", "a.b.c.", "ǅ", "\u0344", "ﬃ", "a\u0300\u0300", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := Key(s)
		if again := Key(key); again != key {
			t.Errorf("Key(%q) = %q, but Key of that = %q", s, key, again)
		}
		if strings.TrimSpace(key) != key || strings.Contains(key, "  ") {
			t.Errorf("Key(%q) = %q has stray blanks", s, key)
		}
	})
}

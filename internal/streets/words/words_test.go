package words

import (
	"slices"
	"testing"
)

func texts(s string) (list []string) {
	for _, w := range Split(nil, s) {
		list = append(list, w.Text)
	}
	return list
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"nothing but signs", " -- ?!", nil},
		{"case and accents", "Rua de São João", []string{"rua", "de", "sao", "joao"}},
		{"sharp s", "Hauptstraße", []string{"hauptstrasse"}},
		{"apostrophe parts", "Carrer de l'Aigüeta", []string{"carrer", "de", "l", "aigueta"}},
		{"ordinal sign", "nº 7", []string{"no", "7"}},
		{"Cyrillic", "ул. Ленина", []string{"ул", "ленина"}},
		{"Han stays whole", "北京", []string{"北京"}},
		{"invalid UTF-8", "a\xffb", []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := texts(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("Split(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestSplitCountsPhrasesAndSeesHyphens(t *testing.T) {
	got := Split(nil, "Austr. 12-14, FL-9490 Vaduz")
	want := []Word{{"austr", 0, false}, {"12", 0, false}, {"14", 0, true}, {"fl", 1, false}, {"9490", 1, true}, {"vaduz", 1, false}}
	if !slices.Equal(got, want) {
		t.Errorf("Split = %v, want %v", got, want)
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]string{"12": "12", "12 A": "12a", "12/14": "12-14", "12 – 14": "12-14", "": ""} {
		if got := Number(in); got != want {
			t.Errorf("Number(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEndings(t *testing.T) {
	var got []string
	Endings("bahnhofstr", func(s string) { got = append(got, s) })
	if want := []string{"bahnhofstrasse", "bahnhofstraat"}; !slices.Equal(got, want) {
		t.Errorf("Endings = %q, want %q", got, want)
	}
}

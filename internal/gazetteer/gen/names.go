package main

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
)

// nameKind says what another name of a place is to its main name.
func nameKind(main, other string) packed.Kind {
	switch {
	case slices.Equal(plainWords(main), plainWords(other)):
		return packed.Main // Saint Louis is St. Louis
	case near(plainWords(main), plainWords(other)):
		return packed.Near
	case weak(other):
		return packed.Weak
	default:
		return packed.Alternate
	}
}

// near reports whether a name is the main one written together or apart, or the
// beginning or end of it: Newcastle is Newcastle upon Tyne, Westminster is the
// City of Westminster.
func near(main, other []string) bool {
	if len(other) == 0 {
		return false
	}
	if strings.Join(main, "") == strings.Join(other, "") {
		return true
	}
	n := len(other)
	return n < len(main) && (slices.Equal(main[:n], other) || slices.Equal(main[len(main)-n:], other))
}

// plainWords are the words of a name, with saints written out.
func plainWords(name string) []string {
	words := strings.Fields(fold.Key(name))
	for i, w := range words {
		switch w {
		case "st":
			words[i] = "saint"
		case "ste":
			words[i] = "sainte"
		}
	}
	return words
}

// weak reports whether a name is one that nobody writes for the place: GeoNames
// has the codes of airports among the names, in capitals (GOA is Genoa), and
// transliterations by machine, in lower case (bali is Bari in Chinese).
func weak(name string) bool {
	capitals, small := 0, 0
	for _, r := range name {
		switch {
		case unicode.IsUpper(r):
			capitals++
		case unicode.IsLower(r):
			small++
		}
	}
	switch {
	case small == 0:
		return capitals > 0 && len(name) <= 4
	case capitals == 0:
		first, _ := utf8.DecodeRuneInString(name)
		return first < unicode.MaxLatin1 || unicode.Is(unicode.Latin, first)
	default:
		return false
	}
}

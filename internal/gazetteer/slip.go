package gazetteer

import (
	"slices"
	"strings"
	"unicode"

	"geogate/internal/gazetteer/packed"
)

const (
	// minSlipLetters is how many letters a name must have to be tried with one
	// letter wrong: below that nearly every name resembles another one.
	minSlipLetters = 5
	// maxSlipLetters bounds the name, and maxSlipLookups all names of a query
	// together: each takes about 53 lookups per letter, a lookup about a
	// microsecond.
	maxSlipLetters = 40
	maxSlipLookups = 4000
)

// Alphabets to try letters of. What is in none of them, such as Chinese, has too
// many letters: there only swapped and doubled ones are tried.
var alphabets = []struct {
	script  *unicode.RangeTable
	letters []rune
}{
	{unicode.Latin, []rune("abcdefghijklmnopqrstuvwxyz ")},
	{unicode.Cyrillic, []rune("абвгдежзийклмнопрстуфхцчшщъыьэюяієї ")},
	{unicode.Greek, []rune("αβγδεζηθικλμνξοπρστυφχψω ")},
}

func alphabet(r rune) []rune {
	for _, a := range alphabets {
		if unicode.Is(a.script, r) {
			return a.letters
		}
	}
	return nil
}

// slips looks for names that differ from the query's by one letter: missing, too
// many, wrong, or swapped with its neighbour. It is for queries that find
// nothing as they are. Only the name of the place may be wrong, not the areas.
func (s *search) slips(phrases [][]string) {
	split(phrases, func(name, rest []string, comma bool) {
		spans := s.spans(rest)
		if len(rest) > 0 && len(spans) == 0 {
			return
		}
		s.resembling(strings.Join(name, " "), func(p packed.Posting) {
			if s.covers(p.Ref, len(rest), spans) {
				s.add(p, slipped+cut(rest, comma))
			}
		})
	})
}

// resembling calls yield with what the names lead to that are one slip away from
// a key.
func (s *search) resembling(key string, yield func(packed.Posting)) {
	letters := []rune(key)
	count := 0
	for _, r := range letters {
		if unicode.IsNumber(r) { // house numbers and post codes are no slips
			return
		}
		if r != ' ' {
			count++
		}
	}
	if count < minSlipLetters || len(letters) > maxSlipLetters {
		return
	}
	if slices.ContainsFunc(s.gazetteer.file.Lookup(key), meant) {
		return // no slip: such a place exists, though not where it was looked for
	}
	variants(letters, func(variant string) bool {
		if s.slipLookups++; s.slipLookups > maxSlipLookups {
			return false
		}
		for _, p := range s.gazetteer.file.Lookup(variant) {
			if meant(p) {
				yield(p)
			}
		}
		return true
	})
}

// meant reports whether people write the name for what it leads to.
func meant(p packed.Posting) bool { return p.Kind != packed.Weak && p.Kind != packed.Code }

// variants calls yield with every word that is one slip away, until it returns
// false.
func variants(letters []rune, yield func(string) bool) {
	try := make([]rune, 0, len(letters)+1)
	restore := func() { try = append(try[:0], letters...) }
	for i := range letters {
		restore()
		try = slices.Delete(try, i, i+1)
		if !yield(string(try)) {
			return
		}
		if i > 0 && letters[i] != letters[i-1] {
			restore()
			try[i-1], try[i] = try[i], try[i-1]
			if !yield(string(try)) {
				return
			}
		}
		for _, r := range alphabet(letters[i]) {
			restore()
			if try[i] = r; r != letters[i] && !yield(string(try)) {
				return
			}
		}
	}
	for i := range len(letters) + 1 {
		for _, r := range alphabet(letters[max(0, i-1)]) {
			restore()
			if try = slices.Insert(try, i, r); !yield(string(try)) {
				return
			}
		}
	}
}

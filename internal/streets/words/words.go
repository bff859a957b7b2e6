// Package words turns names and questions into the words that are compared.
// The importer and the search share it: a word means the same on both sides.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Word is one word of a text.
type Word struct {
	Text string
	// Phrase counts the commas before the word.
	Phrase int
	// Joined says that nothing but a hyphen or an apostrophe stands before the word.
	Joined bool
}

// maxWord is the most bytes of a word that are kept. Longer ones are no names.
const maxWord = 64

// Split folds s and appends its words to list: lower case, no accents, ß as
// ss, everything else than letters and digits between words.
func Split(list []Word, s string) []Word {
	phrase := 0
	if !ascii(s) {
		s = norm.NFKD.String(strings.ToValidUTF8(s, " "))
	}
	var b [maxWord + utf8.UTFMax]byte
	n := 0
	begun, joined, between := false, false, false
	flush := func() {
		if n > 0 {
			list = append(list, Word{string(b[:n]), phrase, joined})
		}
		if begun {
			between, joined = true, true
		}
		n, begun = 0, false
	}
	for _, r := range s {
		switch {
		case accent(r):
			continue
		case Letter(r):
			if !begun {
				joined = joined && between
			}
			begun = true
			if n >= maxWord {
				continue
			}
			r = unicode.ToLower(r)
			if plain, ok := spelledOut[r]; ok {
				n += copy(b[n:], plain)
			} else {
				n += utf8.EncodeRune(b[n:], r)
			}
		case comma(r):
			flush()
			joined = false
			phrase++
		default:
			flush()
			if r != '-' && r != '\'' && r != '’' && r != '.' {
				joined = false
			}
		}
	}
	flush()
	return list
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Letter reports whether r is part of a word.
func Letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

func comma(r rune) bool {
	switch r {
	case ',', ';', '\n', '、', '，', '،', '；':
		return true
	default:
		return false
	}
}

// accent tells the marks that writers leave out: those of the Latin, Greek and
// Cyrillic scripts, the Hebrew points and the Arabic vowels. The vowel signs of
// Indic scripts and the voicing marks of Japanese make other words.
func accent(r rune) bool {
	switch {
	case r < 0x0300:
		return false
	case r <= 0x036F,
		r >= 0x0591 && r <= 0x05C7 && unicode.IsMark(r),
		r >= 0x064B && r <= 0x065F, r == 0x0670, r == 0x0640:
		return true
	default:
		return r == 0x200B || r == 0x200C || r == 0x200D || r == 0xFEFF
	}
}

// spelledOut has letters that have no decomposition.
var spelledOut = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ı': "i",
	'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ə': "e", 'ى': "ي", 'ة': "ه", 'ک': "ك", 'ی': "ي", 'ς': "σ",
}

// Digits reports whether a word begins with a digit.
func Digits(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' }

// Number brings a house number into the form that is compared: lower case,
// without blanks, "12-14" for any dash.
func Number(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '.', '\t':
			return -1
		case '–', '—', '/':
			return '-'
		default:
			return unicode.ToLower(r)
		}
	}, s)
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

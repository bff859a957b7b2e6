// Package fold turns the many ways of writing a place name into one key, so
// that São Paulo, SAO PAULO and sao-paulo are the same name. The generator of
// the gazetteer and its search share it: a key means the same on both sides.
package fold

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Key returns the words of s in lower case, without accents and punctuation,
// separated by single blanks. It is empty when s has no letter or digit. Key is
// idempotent.
//
// Accents go where writers leave them out: in the Latin, Greek, Cyrillic,
// Arabic and Hebrew scripts. The vowel signs of Indic scripts and the voicing
// marks of Japanese stay, since they make other words.
func Key(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	gap := false  // a separator was seen since the last letter
	initials := 0 // letters since the last dot or separator
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(s, " ")) {
		switch {
		case accent(r) || apostrophe(r):
			continue
		case r == '.' && initials == 1: // U.S.A. is one word, St. Gallen two
			initials = 0
			continue
		case !word(r):
			gap, initials = true, 0
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		initials++
		r = unicode.ToLower(r)
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
		} else if plain, ok := spelledOut[r]; ok {
			b.WriteString(plain)
		} else {
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

// Phrases splits s at its commas and returns the words of each part; parts
// without any word are dropped.
func Phrases(s string) [][]string {
	var phrases [][]string
	for part := range strings.FieldsFuncSeq(s, comma) {
		if words := strings.Fields(Key(part)); len(words) > 0 {
			phrases = append(phrases, words)
		}
	}
	return phrases
}

func comma(r rune) bool {
	switch r {
	case ',', ';', '\n', '、', '，', '،', '；', '﹐', '､':
		return true
	default:
		return false
	}
}

func word(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

func accent(r rune) bool {
	switch {
	case r >= 0x0300 && r <= 0x036F, // Latin, Greek, Cyrillic
		r >= 0x0591 && r <= 0x05C7 && unicode.IsMark(r),      // Hebrew points
		r >= 0x064B && r <= 0x065F, r == 0x0670, r == 0x0640: // Arabic vowels and the stretching line
		return true
	default:
		return false
	}
}

func apostrophe(r rune) bool {
	switch r {
	case '\'', '’', '‘', '`', '´', 'ʼ', 'ʻ', 'ʹ', 'ʾ', 'ʿ', '′', '\u200b', '\u200c', '\u200d', '\ufeff':
		return true
	default:
		return false
	}
}

// spelledOut has the Latin letters that have no decomposition, and the Arabic
// and Greek ones that are written for one another.
var spelledOut = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ı': "i",
	'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ƙ': "k", 'ɓ': "b", 'ɗ': "d", 'ə': "e", 'ɛ': "e", 'ɔ': "o", 'ƴ': "y",
	'ى': "ي", 'ة': "ه", 'ک': "ك", 'ی': "ي", 'ς': "σ",
}

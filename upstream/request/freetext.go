package request

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"geogate/internal/place"
)

// freeText makes the q of a search canonical: trimmed, white space collapsed,
// NFC, and in lower case where case cannot matter.
//
// It leaves as it came: an empty q and one of nothing but white space
// (Nominatim answers 200 to the one and 400 to the other); q in xml and
// geocodejson, whose answers repeat it; text that is not UTF-8.
//
// Case matters where Nominatim looks for signs: N, S, E, W of coordinates and
// a category in brackets. Both patterns stop at a line break, so there even
// the kind of white space matters.
func freeText(c *reading, p *param) bool {
	var found pair
	var isPair bool
	if c.format == place.XML || c.format == place.GeocodeJSON {
		found, isPair = findPair(p.value)
	} else {
		p.value, found, isPair = canonicalText(p.value)
	}
	c.hasText, c.asked.Text = true, p.value
	if isPair && found.rest == "" && found.point.Valid() {
		c.asked.Reverse, c.asked.Point = true, found.point
	}
	return true
}

// typedText makes the beginning of a name canonical.
func typedText(c *reading, p *param) bool {
	p.value = fold(norm.NFC.String(collapse(p.value)))
	c.hasText, c.asked.Text = true, p.value
	return true
}

func canonicalText(q string) (text string, found pair, isPair bool) {
	if !utf8.ValidString(q) || trimSpace(q) == "" {
		return q, pair{}, false
	}
	s := norm.NFC.String(collapse(q))
	found, isPair = findPair(s)
	if isPair || strings.Contains(s, "[") {
		if strings.Contains(q, "\n") {
			found, isPair = findPair(q)
			return q, found, isPair
		}
		return s, found, isPair
	}
	return fold(s), pair{}, false
}

// canonicalField is canonicalText for a field of a structured search. Nominatim
// looks for no signs there, and does not cut at commas: it hands each field to
// the normalization that free text goes through, which lowers it and collapses
// its white space. A field of nothing but white space stays as it came: it still
// says what is looked for.
func canonicalField(value string) string {
	if !utf8.ValidString(value) || trimSpace(value) == "" {
		return value
	}
	return fold(norm.NFC.String(collapse(value)))
}

// fold returns s, which is in NFC, in lower case and in NFC.
func fold(s string) string {
	low := strings.Map(lower, s)
	if low == s {
		return s
	}
	// A capital can have a composed small letter without having a composed
	// form itself (H and a line below): composing again keeps this stable.
	return norm.NFC.String(low)
}

// lower lowers a letter whose lower case does not depend on what stands
// around it. A capital sigma and a dotted capital I do depend on it, and stay.
func lower(r rune) rune {
	if r == 'Σ' || r == 'İ' {
		return r
	}
	return unicode.ToLower(r)
}

// collapse trims s and turns each run of white space into one space.
func collapse(s string) string {
	clean := true
	space := true // a space at the beginning is one too many
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf || c < ' ' || c == ' ' && space {
			clean = false
			break
		}
		space = c == ' '
	}
	if clean && !space {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

package upstream

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"geogate/internal/place"
)

// freeText makes the q of a search canonical: trimmed, white space collapsed,
// NFC, and in lower case where case cannot matter.
//
// Left as it came: an empty q and one of nothing but white space (Nominatim
// answers 200 to the one and 400 to the other); q in xml and geocodejson,
// whose answers repeat it; text that is not UTF-8.
//
// Case matters where Nominatim looks for signs: N, S, E, W of coordinates and
// a category in brackets. Both patterns stop at a line break, so there even
// the kind of white space matters.
func freeText(c *reading, p *param) bool {
	if c.format == place.XML || c.format == place.GeocodeJSON {
		return true
	}
	p.value = canonicalText(p.value)
	return true
}

func canonicalText(q string) string {
	if !utf8.ValidString(q) || strings.TrimFunc(q, isPythonSpace) == "" {
		return q
	}
	s := norm.NFC.String(collapse(q))
	if strings.Contains(s, "[") || holdsCoordinates(s) {
		if strings.Contains(q, "\n") {
			return q
		}
		return s
	}
	if low := strings.Map(lower, s); low != s {
		// A capital can have a composed small letter without having a composed
		// form itself (H and a line below): composing again keeps this stable.
		return norm.NFC.String(low)
	}
	return s
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

// Coordinates as Nominatim finds them in a query: degrees, degrees and
// minutes, or degrees, minutes and seconds with N/S and E/W before or after
// them, or two plain decimal numbers. \d and \s are those of Unicode.
const (
	digits = `\p{Nd}+`
	blank  = `[\s\v\x1c-\x1f\x{85}\p{Z}]`
	point  = `[\p{Nd}.]+`
	deg    = digits + `\.` + digits + `°?`
	degMin = digits + `(?:°|` + blank + `)+` + point + `[′']*`
	degSec = digits + `(?:°|` + blank + `)+` + digits + `(?:[′']|` + blank + `)+` + point + `["″]*`
	gap    = `(?:,|` + blank + `)+`
)

var coordinatePatterns = func() []*regexp.Regexp {
	var patterns []*regexp.Regexp
	for _, angle := range []string{deg, degMin, degSec} {
		patterns = append(patterns,
			coordinatePattern(`[NS]`+blank+`*`+angle+gap+`[EW]`+blank+`*`+angle),
			coordinatePattern(angle+blank+`*[NS]`+gap+angle+blank+`*[EW]`))
	}
	return append(patterns, coordinatePattern(`\[?[+-]?`+digits+`\.`+digits+gap+`[+-]?`+digits+`\.`+digits+`\]?`))
}()

func coordinatePattern(pair string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:(.*?)` + blank + `+)??` + pair + `(?:` + blank + `+(.*))?$`)
}

// holdsCoordinates reports whether Nominatim reads a coordinate pair at the
// beginning or the end of q.
func holdsCoordinates(q string) bool {
	if !mayHoldCoordinates(q) {
		return false
	}
	for _, p := range coordinatePatterns {
		if m := p.FindStringSubmatch(q); len(m) == 3 && (m[1] == "" || m[2] == "") {
			return true
		}
	}
	return false
}

// mayHoldCoordinates is a quick look that lets most addresses past the
// patterns: a pair takes two decimal points within numbers, or four numbers
// and two of the letters N, S, E, W.
func mayHoldCoordinates(q string) bool {
	var decimals, numbers int
	var northSouth, eastWest, inNumber bool
	for i := range len(q) {
		c := q[i]
		isDigit := '0' <= c && c <= '9'
		switch {
		case c == '.' && inNumber:
			decimals++
		case isDigit && !inNumber:
			numbers++
		case c == 'N' || c == 'S':
			northSouth = true
		case c == 'E' || c == 'W':
			eastWest = true
		case c >= utf8.RuneSelf:
			// Digits of other scripts count, too.
			if r, _ := utf8.DecodeRuneInString(q[i:]); unicode.Is(unicode.Nd, r) {
				return true
			}
		}
		inNumber = isDigit
	}
	return decimals >= 2 || numbers >= 4 && northSouth && eastWest
}

package request

import (
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"geogate/internal/geo"
)

// Coordinates as Nominatim finds them in a query: degrees, degrees and
// minutes, or degrees, minutes and seconds with N/S and E/W before or after
// them, or two plain decimal numbers. \d and \s are those of Unicode.
const (
	digits = `\p{Nd}+`
	blank  = `[\s\v\x1c-\x1f\x{85}\p{Z}]`
	point  = `([\p{Nd}.]+)`
	deg    = `(` + digits + `\.` + digits + `)°?`
	degMin = `(` + digits + `)(?:°|` + blank + `)+` + point + `[′']*`
	degSec = `(` + digits + `)(?:°|` + blank + `)+(` + digits + `)(?:[′']|` + blank + `)+` + point + `["″]*`
	signed = `([+-]?` + digits + `\.` + digits + `)`
	gap    = `(?:,|` + blank + `)+`
)

// A notation is one way to write a pair of coordinates, latitude first.
type notation struct {
	pattern *regexp.Regexp // groups: text before, the pair, text after
	numbers int            // for each angle: degrees, minutes, seconds
	letters letters
}

// letters says where the letters of the hemispheres stand.
type letters int

const (
	noLetters letters = iota
	lettersFirst
	lettersLast
)

var notations = func() []notation {
	var all []notation
	for i, angle := range []string{deg, degMin, degSec} {
		all = append(all,
			notation{pairPattern(`([NS])` + blank + `*` + angle + gap + `([EW])` + blank + `*` + angle), i + 1, lettersFirst},
			notation{pairPattern(angle + blank + `*([NS])` + gap + angle + blank + `*([EW])`), i + 1, lettersLast})
	}
	return append(all, notation{pairPattern(`\[?` + signed + gap + signed + `\]?`), 1, noLetters})
}()

func pairPattern(pair string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:(.*?)` + blank + `+)??` + pair + `(?:` + blank + `+(.*))?$`)
}

// A pair is a pair of coordinates that Nominatim reads in free text.
type pair struct {
	point geo.Point // not valid where a number cannot be read or lies off the globe
	rest  string    // what else the text says
}

// findPair looks for coordinates at the beginning or the end of q.
func findPair(q string) (pair, bool) {
	if !mayHoldPair(q) {
		return pair{}, false
	}
	return matchPair(q)
}

func matchPair(q string) (pair, bool) {
	for _, n := range notations {
		groups := n.pattern.FindStringSubmatch(q)
		if groups == nil {
			continue
		}
		before, after := groups[1], groups[len(groups)-1]
		if before == "" || after == "" {
			return pair{n.point(groups[2 : len(groups)-1]), before + after}, true
		}
	}
	return pair{}, false
}

// point reads the groups of a pair.
func (n notation) point(groups []string) geo.Point {
	lat, lon := groups[:len(groups)/2], groups[len(groups)/2:]
	return geo.Point{Lat: n.angle(lat), Lon: n.angle(lon)}
}

// angle reads degrees, minutes and seconds, with their hemisphere.
func (n notation) angle(groups []string) float64 {
	hemisphere := ""
	switch n.letters {
	case lettersFirst:
		hemisphere, groups = groups[0], groups[1:]
	case lettersLast:
		hemisphere, groups = groups[n.numbers], groups[:n.numbers]
	}
	degrees, unit := 0.0, 1.0
	for _, group := range groups {
		number, err := geo.ParseDegrees(westernDigits(group))
		if err != nil {
			return math.NaN()
		}
		degrees += number / unit
		unit *= 60
	}
	if hemisphere == "S" || hemisphere == "W" {
		return -degrees
	}
	return degrees
}

// westernDigits writes the digits of any script as 0 to 9.
func westernDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		// Digits stand in Unicode in rows from nought to nine.
		for _, row := range unicode.Nd.R16 {
			if rune(row.Lo) <= r && r <= rune(row.Hi) {
				return '0' + (r-rune(row.Lo))%10
			}
		}
		for _, row := range unicode.Nd.R32 {
			if rune(row.Lo) <= r && r <= rune(row.Hi) {
				return '0' + (r-rune(row.Lo))%10
			}
		}
		return r
	}, s)
}

// mayHoldPair is a quick look that lets most addresses past the patterns: a
// pair takes two decimal points within numbers, or four numbers and two of the
// letters N, S, E, W.
func mayHoldPair(q string) bool {
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

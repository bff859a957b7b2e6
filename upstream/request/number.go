package request

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"geogate/internal/geo"
	"geogate/internal/place"
)

// parseInt reads an integer as Python's int() does, up to 15 digits; ok is
// false for everything else.
func parseInt(s string) (n int, ok bool) {
	s = trimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" || len(digits) > 15 {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// parseDegrees reads a number as Python's float() does, which Nominatim
// applies to coordinates: white space around the number does not matter.
func parseDegrees(s string) (degrees float64, ok bool) {
	degrees, err := geo.ParseDegrees(trimSpace(s))
	return degrees, err == nil
}

// trimSpace takes away what Python's str.strip() does.
func trimSpace(s string) string { return strings.TrimFunc(s, isPythonSpace) }

func isPythonSpace(r rune) bool { return unicode.IsSpace(r) || '\x1c' <= r && r <= '\x1f' }

// FormatLat writes a latitude in degrees with at most the seven decimals that
// stored data has. A value outside the globe keeps all of its decimals: it must
// not be rounded onto the edge.
func FormatLat(degrees float64) string { return formatDegrees(degrees, maxLat) }

// FormatLon writes a longitude as [FormatLat] writes a latitude.
func FormatLon(degrees float64) string { return formatDegrees(degrees, maxLon) }

// FormatBox writes west, south, east and north, joined by commas.
func FormatBox(b place.Box) string {
	return FormatLon(b.West) + "," + FormatLat(b.South) + "," + FormatLon(b.East) + "," + FormatLat(b.North)
}

const (
	maxLat = 90.0
	maxLon = 180.0
)

func formatDegrees(f, edge float64) string {
	if math.Abs(f) > edge {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	var buf [24]byte
	s := strconv.AppendFloat(buf[:0], f, 'f', 7, 64)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if string(s) == "-0" {
		return "0"
	}
	return string(s)
}

// roundDegrees returns f as it reads after formatDegrees has written it.
func roundDegrees(f, edge float64) float64 { return readBack(formatDegrees(f, edge)) }

// readBack reads what formatDegrees has written.
func readBack(text string) float64 {
	degrees, err := geo.ParseDegrees(text)
	if err != nil {
		return math.NaN()
	}
	return degrees
}

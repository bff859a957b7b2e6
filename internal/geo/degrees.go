package geo

import (
	"errors"
	"strconv"
)

// ErrNotDegrees is what ParseDegrees returns for text that is not a number in
// decimal notation.
var ErrNotDegrees = errors.New("not a decimal number of degrees")

// ParseDegrees reads one coordinate in decimal notation, such as "47.14",
// "-70", "+8.5" or "1e1". Spellings that strconv.ParseFloat also takes but
// nobody writes on a map (hexadecimal, underscores, "inf", "nan") are refused,
// and so is anything around the number, white space included. The value may lie
// outside the globe: Point.Valid judges that.
func ParseDegrees(text string) (float64, error) {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', c == '+', c == '-', c == '.', c == 'e', c == 'E':
		default:
			return 0, ErrNotDegrees
		}
	}
	degrees, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, ErrNotDegrees
	}
	return degrees, nil
}

package dispatch

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"geogate/internal/geo"
)

// What clients may choose, in bytes where not said otherwise.
const (
	MaxIDLen     = 128 // of drivers and riders
	MaxLabelLen  = 64  // of a vehicle or a tag
	MaxTags      = 16  // tags of a driver or a request
	MaxKeyLen    = 255 // of an idempotency key
	MaxRegionLen = 32
	MaxLimit     = 100     // candidates of one Nearest
	MaxRadiusM   = 100_000 // metres
)

// unprintable reports whether s has anything that must not become part of a key
// or a log line. Everything else, braces, stars and spaces included, may.
func unprintable(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

func checkID(id string) *InputError {
	switch {
	case id == "":
		return &InputError{CodeInvalidID, "id is missing"}
	case len(id) > MaxIDLen:
		return &InputError{CodeInvalidID, fmt.Sprintf("id is longer than %d bytes", MaxIDLen)}
	case unprintable(id):
		return &InputError{CodeInvalidID, "id has control characters or is not UTF-8"}
	}
	return nil
}

func checkPoint(p geo.Point) *InputError {
	switch {
	case math.IsNaN(p.Lat) || math.IsNaN(p.Lon):
		return &InputError{CodeInvalidPosition, "a coordinate is not a number"}
	case !p.Valid():
		detail := "lat is −90…90 and lng −180…180"
		if (geo.Point{Lat: p.Lon, Lon: p.Lat}).Valid() {
			detail += "; did you swap lat and lng?"
		}
		return &InputError{CodeInvalidPosition, detail}
	case math.Abs(p.Lat) > geo.MaxMercatorLat:
		return &InputError{CodeInvalidPosition, "lat beyond ±85.05112878 cannot be indexed"}
	}
	return nil
}

func checkVehicle(vehicle string) *InputError {
	if len(vehicle) > MaxLabelLen || unprintable(vehicle) {
		return &InputError{CodeInvalidVehicle, fmt.Sprintf("vehicle is at most %d bytes of printable UTF-8", MaxLabelLen)}
	}
	return nil
}

func checkTags(tags []string) *InputError {
	if len(tags) > MaxTags {
		return &InputError{CodeInvalidTags, fmt.Sprintf("at most %d tags", MaxTags)}
	}
	for _, tag := range tags {
		if tag == "" || len(tag) > MaxLabelLen || unprintable(tag) {
			return &InputError{CodeInvalidTags, fmt.Sprintf("a tag is 1 to %d bytes of printable UTF-8", MaxLabelLen)}
		}
	}
	return nil
}

// encodeTags renders tags as the scripts hold them: "\nfirst\nsecond\n".
func encodeTags(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return "\n" + strings.Join(tags, "\n") + "\n"
}

func decodeTags(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.Trim(s, "\n"), "\n")
}

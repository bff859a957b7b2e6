package dispatch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
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

// Position says where a driver is.
type Position struct {
	ID     string // the driver's; at most MaxIDLen bytes
	Point  geo.Point
	Region string // empty: see Config.RegionAt. A driver who reports from another one moves there
	// Time is when the position was taken, by the driver's clock; zero if unknown. It
	// orders a driver's positions. One older than DriverTTL makes nobody available.
	Time time.Time
	Motion
	Vehicle *string   // nil: as before
	Tags    *[]string // nil: as before
}

// Motion is how a driver moves, as far as they said; nil: they did not.
type Motion struct {
	Heading  *float64 // degrees clockwise from north, from 0 to below 360
	Speed    *float64 // metres a second, 0 or more
	Accuracy *float64 // radius of the position in metres, 0 or more
}

func (p Position) check() *InputError {
	if err := checkID(p.ID); err != nil {
		return err
	}
	if err := checkPoint(p.Point); err != nil {
		return err
	}
	if err := p.Motion.check(); err != nil {
		return err
	}
	if p.Vehicle != nil {
		if err := checkVehicle(*p.Vehicle); err != nil {
			return err
		}
	}
	if p.Tags != nil {
		return checkTags(*p.Tags)
	}
	return nil
}

func (m Motion) check() *InputError {
	// The negations also refuse NaN.
	switch {
	case m.Heading != nil && !(*m.Heading >= 0 && *m.Heading < 360):
		return &InputError{CodeInvalidMotion, "heading is 0 to below 360 degrees"}
	case m.Speed != nil && !(*m.Speed >= 0 && *m.Speed <= math.MaxFloat32):
		return &InputError{CodeInvalidMotion, "speed is 0 or more metres a second"}
	case m.Accuracy != nil && !(*m.Accuracy >= 0 && *m.Accuracy <= math.MaxFloat32):
		return &InputError{CodeInvalidMotion, "accuracy is 0 or more metres"}
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

// DefaultRegion is the region of everything that names none, where it is declared.
const DefaultRegion = "default"

// IsRegionName reports whether a region may have this name: 1 to MaxRegionLen of a-z,
// 0-9, - and _, beginning with a letter or digit.
func IsRegionName(name string) bool {
	ok := name != "" && len(name) <= MaxRegionLen
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && (c == '-' || c == '_'))
	}
	return ok
}

// RegionOf returns the region of a request about a point that names one, or none: then
// it follows from the point where Config.RegionAt is set. Errors: InputError.
func (e *Engine) RegionOf(name string, p geo.Point) (string, error) {
	region, refused := e.regionOf(name, p)
	return region, asError(refused)
}

// RegionsByPlace reports whether the region of a request that names none follows from
// its point.
func (e *Engine) RegionsByPlace() bool { return e.cfg.RegionAt != nil }

func (e *Engine) regionOf(name string, p geo.Point) (string, *InputError) {
	if name != "" || e.cfg.RegionAt == nil {
		return e.regionNamed(name)
	}
	region, found := e.cfg.RegionAt(p)
	if !found {
		return "", &InputError{CodeOutside, "the position is in none of the regions"}
	}
	return e.regionNamed(region)
}

// Regions are the names of the regions there are.
func (e *Engine) Regions() []string { return slices.Clone(e.regions) }

// regionNamed returns the declared region of that name, DefaultRegion for none.
func (e *Engine) regionNamed(name string) (string, *InputError) {
	switch {
	case name == "" && slices.Contains(e.regions, DefaultRegion):
		return DefaultRegion, nil
	case name == "":
		return "", &InputError{CodeUnknownRegion, "region is missing: there is no default one here"}
	case !slices.Contains(e.regions, name):
		return "", &InputError{CodeUnknownRegion, fmt.Sprintf("no such region; there are %d", len(e.regions))}
	}
	return name, nil
}

// manyRegions reports whether a driver could be in another region than the one asked.
func (e *Engine) manyRegions() bool { return len(e.regions) > 1 }

// prefix begins every key of a region and holds its hash tag.
func prefix(region string) string { return "geogate:{" + region + "}" }

// tokenLen is the length of crypto/rand.Text: 26 base32 characters, 130 bits.
const tokenLen = 26

// newRideID returns an unguessable id that begins with the region, so that whoever
// is shown it later knows the slot of Redis Cluster to look in.
func newRideID(region string) string {
	return region + "." + strings.ToLower(rand.Text())
}

// regionOfRide returns the region of a ride id, and false for what cannot be one. The
// region need not be declared any more.
func regionOfRide(id string) (string, bool) {
	region, token, ok := strings.Cut(id, ".")
	if !ok || !IsRegionName(region) || len(token) != tokenLen || !isAlphanumeric(token) {
		return "", false
	}
	return region, true
}

// splitOfferID returns the ride and the token of an offer id, which is both joined.
func splitOfferID(id string) (ride, token string, ok bool) {
	i := strings.LastIndexByte(id, '.')
	if i < 0 {
		return "", "", false
	}
	ride, token = id[:i], id[i+1:]
	_, ok = regionOfRide(ride)
	return ride, token, ok && len(token) == 40 && isAlphanumeric(token)
}

func isAlphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// digest names a subject's idempotency key in Redis: clients choose those freely and
// long. Keys without a subject are named as they were in releases that knew none.
func digest(subject, key string) string {
	if key == "" {
		return ""
	}
	if subject != "" {
		key = subject + "\n" + key // neither has a line break
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

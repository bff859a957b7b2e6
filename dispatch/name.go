package dispatch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

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

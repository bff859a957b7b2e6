package dispatch

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

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

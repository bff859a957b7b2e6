package identity

import (
	"crypto/sha256"
	"crypto/subtle"
)

// sameText compares secrets in a time that does not depend on where they differ,
// nor on their lengths.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

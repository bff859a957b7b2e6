package dispatch

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Revision names a version of a ride in one history of it: "2-9f86d081884c". A failover
// of Redis can lose the end of a history, and the ride then reaches the same version in
// another way. It is opaque to clients, and serves as an entity tag.
type Revision string

// revision makes the name from the line of history, which holds all that a version shows
// and the time when it was reached.
func revision(version int64, history string) Revision {
	sum := sha256.Sum256([]byte(history))
	return Revision(strconv.FormatInt(version, 10) + "-" + hex.EncodeToString(sum[:6]))
}

// version returns the number in a revision. Clients of releases before this one send the
// number alone, which names the version in any history.
func (r Revision) version() (n int64, exact bool) {
	number, _, exact := strings.Cut(string(r), "-")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n, exact
}

// Valid reports whether a client can have got the revision from us.
func (r Revision) Valid() bool {
	n, exact := r.version()
	if !exact {
		return n > 0 || r == "0"
	}
	_, mark, _ := strings.Cut(string(r), "-")
	raw, err := hex.DecodeString(mark)
	return err == nil && len(raw) == 6 && n > 0
}

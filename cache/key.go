package cache

import (
	"crypto/sha256"
	"encoding/hex"
)

// Hash is the short name of a key: 128 bits of its SHA-256 in hexadecimal. It
// names the key's place in Redis, and stands for the key in logs, where nobody's
// address may appear. Two keys with the same hash displace each other but are
// never mistaken for each other, because an entry carries its full key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// names are the Redis keys that belong to one cache key. They share a hash tag
// and so a slot of a cluster, so one script may use them all.
type names struct {
	entry   string // the encoded entry
	lease   string // token of the process that fills for its callers
	renewal string // token of the process that fills whatever there is: refreshes
	mark    string // left by a purge for the fills that began before it
	channel string // where stores, releases and purges are announced
}

func (r *redisLayer) names(key string) names {
	tag := "{" + Hash(key) + "}"
	return names{
		entry:   r.prefix + "entry:" + tag,
		lease:   r.prefix + "lease:" + tag,
		renewal: r.prefix + "renewal:" + tag,
		mark:    r.prefix + "purged:" + tag,
		channel: r.prefix + "event:" + tag,
	}
}

// record is the key of the fleet's record of purges.
func (r *redisLayer) record() string { return r.prefix + "generation" }

// entryPattern and eventPattern match the entries and the channels of all keys.
func (r *redisLayer) entryPattern() string { return globQuoted(r.prefix) + "entry:*" }
func (r *redisLayer) eventPattern() string { return globQuoted(r.prefix) + "event:*" }

// globQuoted escapes special characters, so that a namespace matches itself.
func globQuoted(s string) string {
	var b []byte
	for i := range len(s) {
		switch s[i] {
		case '*', '?', '[', ']', '\\', '^', '-':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}

package cache

import (
	"crypto/sha256"
	"encoding/hex"
)

// Hash is the short name of a key: 128 bits of SHA-256 in hexadecimal. It
// names the key's place in Redis and stands for it where the key itself,
// which holds somebody's address, must not appear. Two keys with one hash
// displace each other and are never mistaken for each other: an entry carries
// its full key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// names are the Redis keys that belong to one cache key. Their common hash
// tag puts them into one slot of a cluster, so that one script may use all.
type names struct {
	hash  string
	entry string // the encoded entry
}

func (r *redisLayer) names(key string) names {
	h := Hash(key)
	tag := "{" + h + "}"
	return names{
		hash:  h,
		entry: r.prefix + "entry:" + tag,
	}
}

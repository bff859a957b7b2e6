package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

// A key reads gg_<id>_<secret><check>. The prefix lets secret scanners find it,
// the id may be shown, and the checksum tells a typing mistake from a key that
// was revoked without asking anybody.
const (
	keyPrefix   = "gg_"
	idBytes     = 6 // 10 characters
	secretBytes = 20
	idLength    = 10
	secretChars = 32 // 160 bits
	checkChars  = 7  // 32 bits
	keyLength   = len(keyPrefix) + idLength + 1 + secretChars + checkChars
)

var keyEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// newKey makes a key: the text to show once, and its id and hash to keep.
func newKey() (text, id, hash string) {
	var random [idBytes + secretBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	id = keyEncoding.EncodeToString(random[:idBytes])
	text = keyPrefix + id + "_" + keyEncoding.EncodeToString(random[idBytes:])
	text += checkOf(text)
	return text, id, hashOf(text)
}

// checkOf is the checksum of the characters before it. A CRC finds every single
// wrong character, and every run of wrong ones up to 32 bits.
func checkOf(text string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(text)))
	return keyEncoding.EncodeToString(sum[:])
}

// hashOf is what is kept of a key. The secret is random and long, so a fast hash
// without salt gives nothing away.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// looksLikeKey tells keys from the other kinds of credential.
func looksLikeKey(credential string) bool { return strings.HasPrefix(credential, keyPrefix) }

// keyID returns the id of a key. The error is ErrMalformedKey.
func keyID(text string) (string, error) {
	if len(text) != keyLength || !looksLikeKey(text) {
		return "", ErrMalformedKey
	}
	body, check := text[:keyLength-checkChars], text[keyLength-checkChars:]
	id := body[len(keyPrefix) : len(keyPrefix)+idLength]
	if checkOf(body) != check || body[len(keyPrefix)+idLength] != '_' || strings.Contains(id, "_") {
		return "", ErrMalformedKey
	}
	return id, nil
}

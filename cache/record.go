package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"
)

// Record is an entry under its key, as Redis holds it and as it is exported and
// imported.
type Record struct {
	Key string
	Entry
	generation uint64 // number of the last purge known when the fill began
}

// An encoded record is
//
//	version  1 byte
//	flags    1 byte
//	numbers  status, stored at (unix nanoseconds), fresh, stale (nanoseconds),
//	         generation, and in version 2 the rank: varints
//	texts    key, content type, provider, outcome, ETag: length and bytes
//	body     the rest, an s2 block if flagCompressed is set
//	checksum 4 bytes, CRC-32C of everything before it
//
// Any change takes a new version. What another version wrote reads as a miss,
// in both directions, so releases can run side by side. Version 2 is only for
// answers with a rank, so that the others are read by releases before it.
const (
	codecVersion   = 1
	rankedVersion  = 2
	flagCompressed = 1 << 0

	checksumSize = 4
	// maxDecodedBody bounds what a value in Redis can make a process
	// allocate. It is far above the cap on upstream bodies.
	maxDecodedBody = 64 << 20
)

// headSize is how many bytes at the beginning of an encoded record tell it from
// any other of its key: the numbers are among them.
const headSize = 64

func head(value string) string { return value[:min(len(value), headSize)] }

// Both errors are misses.
var (
	errForeign = errors.New("entry of another encoding version")
	errCorrupt = errors.New("corrupt entry")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *Record) encode() []byte {
	e := &r.Entry
	size := 2 + 6*binary.MaxVarintLen64 + 5*binary.MaxVarintLen64 +
		len(r.Key) + len(e.ContentType) + len(e.Provider) + len(e.Outcome) + len(e.ETag) +
		s2.MaxEncodedLen(len(e.Body)) + checksumSize
	b := make([]byte, 0, size)
	b = append(b, codecVersion, 0)
	if e.Rank > 0 {
		b[0] = rankedVersion
	}
	b = binary.AppendVarint(b, int64(e.Status))
	b = binary.AppendVarint(b, e.StoredAt.UnixNano())
	b = binary.AppendVarint(b, int64(e.Fresh))
	b = binary.AppendVarint(b, int64(e.Stale))
	b = binary.AppendUvarint(b, r.generation)
	if e.Rank > 0 {
		b = binary.AppendUvarint(b, uint64(e.Rank))
	}
	for _, s := range [...]string{r.Key, e.ContentType, e.Provider, e.Outcome, e.ETag} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	head := len(b)
	packed := s2.EncodeBetter(b[head:cap(b)-checksumSize], e.Body)
	if len(packed) < len(e.Body) {
		b[1] = flagCompressed
		b = b[:head+len(packed)]
	} else {
		b = append(b[:head], e.Body...)
	}
	return sealed(b)
}

// sealed appends the checksum of b to it.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode reads what encode wrote. The result shares no memory with b.
func decode(b []byte) (Record, error) {
	if len(b) == 0 {
		return Record{}, errCorrupt
	}
	if b[0] != codecVersion && b[0] != rankedVersion {
		return Record{}, errForeign
	}
	if len(b) < 2+checksumSize {
		return Record{}, errCorrupt
	}
	b, sum := b[:len(b)-checksumSize], binary.LittleEndian.Uint32(b[len(b)-checksumSize:])
	if crc32.Checksum(b, castagnoli) != sum {
		return Record{}, errCorrupt
	}
	version, flags := b[0], b[1]
	d := decoder{rest: b[2:]}
	var r Record
	r.Status = int(d.varint())
	r.StoredAt = time.Unix(0, d.varint()).UTC()
	r.Fresh = time.Duration(d.varint())
	r.Stale = time.Duration(d.varint())
	r.generation = d.uvarint()
	if version == rankedVersion {
		r.Rank = uint8(d.uvarint())
	}
	r.Key = d.text()
	r.ContentType = d.text()
	r.Provider = d.text()
	r.Outcome = d.text()
	r.ETag = d.text()
	if d.failed || flags&^flagCompressed != 0 {
		return Record{}, errCorrupt
	}
	if !r.legible() {
		return Record{}, errCorrupt
	}
	body, err := decodeBody(d.rest, flags)
	if err != nil {
		return Record{}, err
	}
	r.Body = body
	return r, nil
}

func decodeBody(b []byte, flags byte) ([]byte, error) {
	if flags&flagCompressed == 0 {
		return append(make([]byte, 0, len(b)), b...), nil
	}
	n, err := s2.DecodedLen(b)
	if err != nil || n > maxDecodedBody {
		return nil, errCorrupt
	}
	body, err := s2.Decode(make([]byte, 0, n), b)
	if err != nil {
		return nil, errCorrupt
	}
	return body, nil
}

// decoder takes fields off the front of rest and remembers the first failure,
// so that its caller checks once.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.skip(n)
	return v
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) skip(n int) {
	if n <= 0 {
		d.failed, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

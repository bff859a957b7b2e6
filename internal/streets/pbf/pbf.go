// Package pbf reads OpenStreetMap extracts in the PBF format, one block at a
// time, so that memory does not grow with the extract.
//
// It never panics on damaged input: what does not decode is an error.
package pbf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zlib"
)

// ErrFormat is wrapped by the errors about the content of an extract, apart
// from those of the reader below.
var ErrFormat = errors.New("not a readable OSM PBF extract")

// Sizes that the format allows.
const (
	maxBlobHeader = 64 << 10
	maxBlob       = 32 << 20
)

// Tag is a key with its value. Both share memory with their whole block: clone
// what is kept.
type Tag struct{ Key, Value string }

// Node is a position. Coordinates are in units of 1e-7 degrees.
type Node struct {
	ID       int64
	Version  int32
	Lat, Lon int32
	Tags     []Tag
}

// Way is a line through nodes.
type Way struct {
	ID      int64
	Version int32
	Tags    []Tag
	Refs    []int64
}

// MemberKind says what a member of a relation is.
type MemberKind byte

// The kinds of members.
const (
	NodeMember MemberKind = iota
	WayMember
	RelationMember
)

// Member is one member of a relation.
type Member struct {
	Kind MemberKind
	ID   int64
	Role string
}

// Relation is a group of elements.
type Relation struct {
	ID      int64
	Version int32
	Tags    []Tag
	Members []Member
}

// Visitor receives the elements of an extract in its order. Kinds with a nil
// function are skipped unread. An element and its slices are valid during the
// call only.
type Visitor struct {
	Node     func(*Node)
	Way      func(*Way)
	Relation func(*Relation)
	// Progress is called after each block with the number of bytes read.
	Progress func(bytes int64)
}

// Header is what an extract says of itself.
type Header struct {
	Date time.Time // of the data; zero when unknown
}

// Read reads an extract to its end.
func Read(r io.Reader, v Visitor) (Header, error) {
	d := &decoder{in: bufio.NewReaderSize(r, 1<<16), visit: v}
	for {
		kind, blob, err := d.blob()
		if errors.Is(err, io.EOF) {
			if !d.begun {
				return d.header, fmt.Errorf("%w: no header", ErrFormat)
			}
			return d.header, nil
		}
		if err != nil {
			return d.header, err
		}
		switch {
		case kind == "OSMHeader":
			err = d.readHeader(blob)
		case kind == "OSMData" && d.begun:
			err = d.block(blob)
		case !d.begun:
			err = fmt.Errorf("%w: no header", ErrFormat)
		}
		if err != nil {
			return d.header, err
		}
		if v.Progress != nil {
			v.Progress(d.offset)
		}
	}
}

type decoder struct {
	in     *bufio.Reader
	offset int64
	visit  Visitor
	header Header
	begun  bool

	raw, plain []byte
	inflate    io.ReadCloser

	strings  []string
	tags     []Tag
	refs     []int64
	members  []Member
	keys     []uint64
	vals     []uint64
	versions []int32
}

// blob reads the next blob, inflated. Its bytes are valid until the next call.
func (d *decoder) blob() (kind string, data []byte, err error) {
	var size [4]byte
	if _, err := io.ReadFull(d.in, size[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return "", nil, fmt.Errorf("%w: cut off", ErrFormat)
		}
		return "", nil, err //nolint:wrapcheck // io.EOF is the end
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxBlobHeader {
		return "", nil, fmt.Errorf("%w: a blob header of %d bytes", ErrFormat, n)
	}
	head, err := d.take(int(n))
	if err != nil {
		return "", nil, err
	}
	dataSize := 0
	m := message{b: head}
	for m.next() {
		switch m.field {
		case 1:
			kind = string(m.bytes)
		case 3:
			dataSize = int(m.value)
		}
	}
	if m.bad || dataSize < 0 || dataSize > maxBlob {
		return "", nil, fmt.Errorf("%w: a bad blob header", ErrFormat)
	}
	body, err := d.take(dataSize)
	if err != nil {
		return "", nil, err
	}
	d.offset += 4 + int64(n) + int64(dataSize)
	data, err = d.unpack(body)
	return kind, data, err
}

func (d *decoder) take(n int) ([]byte, error) {
	if cap(d.raw) < n {
		d.raw = make([]byte, n)
	}
	d.raw = d.raw[:n]
	if _, err := io.ReadFull(d.in, d.raw); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w: cut off", ErrFormat)
		}
		return nil, fmt.Errorf("read extract: %w", err)
	}
	return d.raw, nil
}

func (d *decoder) unpack(blob []byte) ([]byte, error) {
	var packed []byte
	size := 0
	m := message{b: blob}
	for m.next() {
		switch m.field {
		case 1:
			return m.bytes, nil
		case 2:
			size = int(m.value)
		case 3:
			packed = m.bytes
		}
	}
	if m.bad || packed == nil || size < 0 || size > maxBlob {
		return nil, fmt.Errorf("%w: a blob that is neither raw nor zlib", ErrFormat)
	}
	if cap(d.plain) < size {
		d.plain = make([]byte, size)
	}
	d.plain = d.plain[:size]
	var err error
	if d.inflate == nil {
		d.inflate, err = zlib.NewReader(bytes.NewReader(packed))
	} else {
		err = d.inflate.(zlib.Resetter).Reset(bytes.NewReader(packed), nil)
	}
	if err == nil {
		_, err = io.ReadFull(d.inflate, d.plain)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: inflate blob: %w", ErrFormat, err)
	}
	// The checksum of zlib is read with the end of the stream.
	if n, err := d.inflate.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: a blob of another size than it says", ErrFormat)
	}
	return d.plain, nil
}

func (d *decoder) readHeader(blob []byte) error {
	m := message{b: blob}
	for m.next() {
		switch m.field {
		case 4:
			switch feature := string(m.bytes); feature {
			case "OsmSchema-V0.6", "DenseNodes":
			default:
				return fmt.Errorf("%w: it needs the feature %q", ErrFormat, feature)
			}
		case 32:
			d.header.Date = time.Unix(int64(m.value), 0).UTC()
		}
	}
	if m.bad {
		return fmt.Errorf("%w: a bad header", ErrFormat)
	}
	d.begun = true
	return nil
}

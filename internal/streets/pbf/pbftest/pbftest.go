// Package pbftest writes OSM PBF extracts, for tests and benchmarks.
package pbftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zlib"

	"geogate/internal/streets/pbf"
)

// perBlock is how many elements a block holds, as osmium writes them.
const perBlock = 8000

// Writer writes an extract: nodes, then ways, then relations. Errors show in
// Close.
type Writer struct {
	out   io.Writer
	err   error
	zip   *zlib.Writer
	field uint64 // of the elements in the block, in its group
	count int
	texts map[string]uint64
	table []byte

	body            []byte // ways or relations
	ids, lats, lons []byte
	versions, tags  []byte
	last            pbf.Node
}

// NewWriter begins an extract of data of a date.
func NewWriter(out io.Writer, date time.Time) *Writer {
	w := &Writer{out: out}
	var head []byte
	head = appendBytes(head, 4, []byte("OsmSchema-V0.6"))
	head = appendBytes(head, 4, []byte("DenseNodes"))
	head = appendVarint(head, 32, uint64(date.Unix()))
	w.blob("OSMHeader", head)
	w.begin()
	return w
}

// The groups of a block, by what they hold.
const (
	dense     = 2
	ways      = 3
	relations = 4
)

// Node writes a node.
func (w *Writer) Node(n pbf.Node) {
	w.room(dense)
	w.ids = appendSigned(w.ids, n.ID-w.last.ID)
	w.lats = appendSigned(w.lats, int64(n.Lat)-int64(w.last.Lat))
	w.lons = appendSigned(w.lons, int64(n.Lon)-int64(w.last.Lon))
	w.versions = binary.AppendUvarint(w.versions, uint64(n.Version))
	for _, t := range n.Tags {
		w.tags = binary.AppendUvarint(w.tags, w.text(t.Key))
		w.tags = binary.AppendUvarint(w.tags, w.text(t.Value))
	}
	w.tags = append(w.tags, 0)
	w.last = n
}

// Way writes a way.
func (w *Writer) Way(e pbf.Way) {
	w.room(ways)
	b := w.common(e.ID, e.Version, e.Tags)
	var refs []byte
	last := int64(0)
	for _, id := range e.Refs {
		refs = appendSigned(refs, id-last)
		last = id
	}
	w.body = appendBytes(w.body, ways, appendBytes(b, 8, refs))
}

// Relation writes a relation.
func (w *Writer) Relation(e pbf.Relation) {
	w.room(relations)
	b := w.common(e.ID, e.Version, e.Tags)
	var roles, ids, kinds []byte
	last := int64(0)
	for _, m := range e.Members {
		roles = binary.AppendUvarint(roles, w.text(m.Role))
		ids = appendSigned(ids, m.ID-last)
		kinds = binary.AppendUvarint(kinds, uint64(m.Kind))
		last = m.ID
	}
	b = appendBytes(appendBytes(appendBytes(b, 8, roles), 9, ids), 10, kinds)
	w.body = appendBytes(w.body, relations, b)
}

// Close writes what is left.
func (w *Writer) Close() error {
	w.flush()
	return w.err
}

func (w *Writer) common(id int64, version int32, tags []pbf.Tag) []byte {
	var keys, values []byte
	for _, t := range tags {
		keys = binary.AppendUvarint(keys, w.text(t.Key))
		values = binary.AppendUvarint(values, w.text(t.Value))
	}
	b := appendVarint(nil, 1, uint64(id))
	b = appendBytes(appendBytes(b, 2, keys), 3, values)
	return appendBytes(b, 4, appendVarint(nil, 1, uint64(version)))
}

func (w *Writer) text(s string) uint64 {
	n, ok := w.texts[s]
	if !ok {
		n = uint64(len(w.texts))
		w.texts[s] = n
		w.table = appendBytes(w.table, 1, []byte(s))
	}
	return n
}

func (w *Writer) begin() {
	w.count, w.texts, w.table, w.last = 0, map[string]uint64{}, nil, pbf.Node{}
	w.body, w.ids, w.lats, w.lons, w.versions, w.tags = nil, nil, nil, nil, nil, nil
	w.text("") // 0 ends the tags of a node
}

// room ends the block when it is full or holds other elements.
func (w *Writer) room(field uint64) {
	if w.count == perBlock || w.count > 0 && field != w.field {
		w.flush()
	}
	w.field = field
	w.count++
}

func (w *Writer) flush() {
	if w.count == 0 {
		return
	}
	group := w.body
	if w.field == dense {
		var b []byte
		b = appendBytes(b, 1, w.ids)
		b = appendBytes(b, 5, appendBytes(nil, 1, w.versions))
		b = appendBytes(appendBytes(appendBytes(b, 8, w.lats), 9, w.lons), 10, w.tags)
		group = appendBytes(nil, dense, b)
	}
	w.blob("OSMData", appendBytes(appendBytes(nil, 1, w.table), 2, group))
	w.begin()
}

func (w *Writer) blob(kind string, data []byte) {
	var packed bytes.Buffer
	if w.zip == nil {
		w.zip = zlib.NewWriter(&packed)
	} else {
		w.zip.Reset(&packed)
	}
	_, err := w.zip.Write(data)
	if err == nil {
		err = w.zip.Close()
	}
	blob := appendBytes(appendVarint(nil, 2, uint64(len(data))), 3, packed.Bytes())
	head := appendVarint(appendBytes(nil, 1, []byte(kind)), 3, uint64(len(blob)))
	all := append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)
	if err == nil {
		_, err = w.out.Write(append(all, blob...))
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write extract: %w", err)
	}
}

func appendVarint(b []byte, field, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, field<<3), v)
}

func appendBytes(b []byte, field uint64, v []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, field<<3|2), uint64(len(v)))
	return append(b, v...)
}

func appendSigned(b []byte, v int64) []byte { return binary.AppendUvarint(b, uint64(v<<1^v>>63)) }

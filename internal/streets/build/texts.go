package build

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"geogate/internal/streets/pbf"
)

// texts numbers the strings of the extracts and keeps each once. Number 0 is
// the empty string.
type texts struct {
	numbers map[string]uint32
	list    []string
	room    strings.Builder
}

// textRoom is how many bytes of strings share an allocation.
const textRoom = 64 << 10

func newTexts() *texts { return &texts{numbers: map[string]uint32{"": 0}, list: []string{""}} }

func (t *texts) number(s string) uint32 {
	if n, ok := t.numbers[s]; ok {
		return n
	}
	if t.room.Cap()-t.room.Len() < len(s) {
		t.room.Reset()
		t.room.Grow(max(textRoom, len(s)))
	}
	start := t.room.Len()
	t.room.WriteString(s)
	s = t.room.String()[start:]
	n := uint32(len(t.list))
	t.list = append(t.list, s)
	t.numbers[s] = n
	return n
}

// maxText is the most bytes of a value that are kept. Longer ones are mistakes.
const maxText = 255

// keep copies the tags that are wanted out of the block that they were read in.
func (b *builder) keep(tags []pbf.Tag) (list []pbf.Tag, at uint32) {
	b.kept, b.record = b.kept[:0], b.record[:0]
	for _, t := range tags {
		if !wantedKey(t.Key) {
			continue
		}
		if len(t.Value) > maxText || !utf8.ValidString(t.Value) {
			b.skipped++
			continue
		}
		b.kept = append(b.kept, t)
		b.record = binary.AppendUvarint(b.record, uint64(b.texts.number(t.Key)))
		b.record = binary.AppendUvarint(b.record, uint64(b.texts.number(t.Value)))
	}
	return b.kept, b.tags.add(b.record)
}

// tag is the value of a key of an element, or empty.
func (b *builder) tag(e *element, key string) string {
	want, ok := b.texts.numbers[key]
	if !ok {
		return ""
	}
	for r := b.tags.get(e.tags); len(r) > 0; {
		k, n := binary.Uvarint(r)
		v, m := binary.Uvarint(r[n:])
		if k == uint64(want) {
			return b.texts.list[v]
		}
		r = r[n+m:]
	}
	return ""
}

// tagsOf appends the tags of an element to list.
func (b *builder) tagsOf(list []pbf.Tag, e *element) []pbf.Tag {
	for r := b.tags.get(e.tags); len(r) > 0; {
		k, n := binary.Uvarint(r)
		v, m := binary.Uvarint(r[n:])
		list = append(list, pbf.Tag{Key: b.texts.list[k], Value: b.texts.list[v]})
		r = r[n+m:]
	}
	return list
}

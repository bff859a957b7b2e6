package packed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/blevesearch/vellum"
)

// sample is a file with one of each.
type sample struct {
	doc    Doc
	house  House
	object Object
	lines  [][]Point
}

var whole = sample{
	doc:   Doc{Kind: Street, Rank: 26, Importance: 3000, Lat: 471_000_000, Lon: -95_000_000, House: 0, HouseCount: 1},
	house: House{Number: Hash("12a"), Lat: -1, Lon: 1<<31 - 1},
	object: Object{
		OSMType: 'R', OSMID: -7, Class: 1, Type: 2, PlaceType: 3, Level: 8, Number: 4, Country: 5, Names: []Tag{{1, 2}, {3, 4}}, Extra: []Tag{{5, 6}},
		Box: [4]int32{-5, 7, -900_000_000, 900_000_000}, Shape: 1, Ways: []Way{{ID: 1 << 40, Type: 2, Shape: 0}, {ID: 3, Type: 1, Shape: 0}},
	},
	lines: [][]Point{{{1, 2}, {3, -4}, {1, 2}}, {{900_000_000, -1_800_000_000}, {-900_000_000, 1_800_000_000}}},
}

var texts = []string{"", "highway", "straße", "北京"}

// write writes the sample and returns its bytes.
func (s sample) write(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var fst bytes.Buffer
	words, err := vellum.New(&fst, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range []string{"gasse", "strasse", "weg"} {
		if err := words.Insert([]byte(word), uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := words.Close(); err != nil {
		t.Fatal(err)
	}
	w.Section(Meta, []byte(`{"streets":1,"houses":1}`))
	w.Section(Words, fst.Bytes())
	var text, ends []byte
	for _, s := range texts {
		text = append(text, s...)
		ends = binary.LittleEndian.AppendUint32(ends, uint32(len(text)))
	}
	w.Section(Strings, text)
	w.Section(StringEnds, ends)
	var postings, postingEnds []byte
	for _, docs := range [][]uint32{{0}, {0, 1}, nil} {
		postings = AppendPosting(postings, docs, [Parts]uint32{POIPart: 1})
		postingEnds = binary.LittleEndian.AppendUint32(postingEnds, uint32(len(postings)))
	}
	w.Section(Postings, postings)
	w.Section(PostingEnds, postingEnds)
	residents := AppendList(nil, []uint32{0, 3}, 0)
	w.Section(Residents, residents)
	w.Section(ResidentEnds, binary.LittleEndian.AppendUint32(nil, uint32(len(residents))))
	w.Section(Docs, s.doc.Append(nil))
	w.Section(Houses, s.house.Append(nil))
	w.Section(Objects, s.object.Append(nil))
	w.Section(Names, AppendRecord(nil, []byte{2, 0, 1}))
	w.Section(Contexts, AppendRecord(nil, []byte{1, 0}))
	w.Begin(Shapes)
	record := AppendRecord(nil, AppendLines(nil, s.lines))
	w.Append(record[:3])
	w.Append(record[3:])
	if w.Size() != uint64(len(record)) {
		t.Errorf("the section has %d bytes, want %d", w.Size(), len(record))
	}
	w.Section(GridKeys, binary.LittleEndian.AppendUint64(nil, CellKey(3, -4)))
	w.Section(GridEnds, []byte{1, 0, 0, 0})
	w.Section(GridEntries, []byte{0, 0, 0, 0x40})
	w.Section(IDs, append(binary.LittleEndian.AppendUint64(nil, IDKey('W', 9)), 0, 0, 0, 0x80))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	f, err := New(whole.write(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"info", []int{f.Streets, f.Houses, f.DocCount()}, []int{1, 1, 1}},
		{"doc", f.Doc(0), whole.doc},
		{"house", f.House(0), whole.house},
		{"object", *f.Object(0), whole.object},
		{"shape", f.Shape(0), whole.lines},
		{"points", AppendPoints(nil, AppendLines(nil, whole.lines)), append(append([]Point{}, whole.lines[0]...), whole.lines[1]...)},
		{"names", f.NameWords(0), Numbers{[]byte{2, 0, 1}}},
		{"context", f.Context(0), Numbers{[]byte{1, 0}}},
		{"size", f.Bytes(), len(whole.write(t))},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s = %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	for i, want := range texts {
		if got := f.String(uint32(i)); got != want {
			t.Errorf("String(%d) = %q, want %q", i, got, want)
		}
	}
	if w, ok := f.Word("strasse"); !ok || w != 1 {
		t.Errorf("Word(strasse) = %d, %v", w, ok)
	}
	var near, begins []uint32
	f.Similar("strase", func(w uint32, _ string) { near = append(near, w) })
	f.Beginning("w", func(w uint32) bool { begins = append(begins, w); return true })
	p := f.Posting(1)
	streets, pois, residents := all(p.Of[StreetPart]), all(p.Of[POIPart]), all(f.Residents(0))
	var around, ids, numbered []uint32
	f.Numbered(0, 1, Hash("12a"), func(i uint32) { numbered = append(numbered, i) })
	f.Numbered(0, 1, Hash("12"), func(i uint32) { numbered = append(numbered, i) })
	f.Around(3, -9, 9, func(e uint32) { around = append(around, e) })
	f.ByID('W', 9, func(e uint32) { ids = append(ids, e) })
	got := [][]uint32{near, begins, {uint32(p.Len), uint32(f.Frequency(1)), uint32(f.Frequency(2))}, streets, pois, residents, around, ids, numbered}
	if want := [][]uint32{{1}, {2}, {2, 2, 0}, {0}, {1}, {0, 3}, {EntryDoc}, {EntryStreet}, {0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("similar, beginning, frequency, streets, points of interest, residents, around, ids, numbered = %v, want %v", got, want)
	}
	if err := f.Err(); err != nil {
		t.Errorf("a whole file: %v", err)
	}
}

func TestSectionsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Begin(Objects)
	binary.LittleEndian.PutUint64(w.entry()[8:], 1<<32-1) // as if 4 GiB were written
	w.Append([]byte("x"))
	if err := w.Close(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a section of more than 4 GiB: %v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// FuzzSections changes bytes of a file and gives it good checksums, as a wrong
// writer would. Nothing panics or reads on for ever. The words are left alone:
// vellum trusts them.
func FuzzSections(f *testing.F) {
	good := whole.write(f)
	f.Add(uint16(40), byte(0xFF), uint16(90), byte(1))
	f.Add(uint16(0), byte(0), uint16(200), byte(0x80))
	f.Fuzz(func(t *testing.T, at uint16, a byte, other uint16, b byte) {
		data := bytes.Clone(good)
		file, err := New(good)
		if err != nil {
			t.Fatal(err)
		}
		body := data[headerBytes : headerBytes+len(file.data)]
		for _, c := range []struct {
			at uint16
			by byte
		}{{at, a}, {other, b}} {
			i := uint64(c.at) % uint64(len(body))
			if words, meta := file.span[Words], file.span[Meta]; i-words.off >= words.len && i-meta.off >= meta.len {
				body[i] ^= c.by
			}
		}
		sums := data[headerBytes+len(file.data):]
		binary.LittleEndian.PutUint32(sums, crc32.Checksum(body, castagnoli))
		binary.LittleEndian.PutUint32(data[len(magic)+12:], crc32.Checksum(sums, castagnoli))
		binary.LittleEndian.PutUint32(data[headerBytes-4:], crc32.Checksum(data[:headerBytes-4], castagnoli))
		changed, err := New(data)
		if err != nil {
			t.Fatalf("with good checksums: %v", err)
		}
		readAll(changed)
	})
}

// all reads a list.
func all(l List) (docs []uint32) {
	for doc, ok := l.Next(); ok; doc, ok = l.Next() {
		docs = append(docs, doc)
	}
	return docs
}

// readAll reads every record that a file has, and some that it has not.
func readAll(f *File) {
	for i := range uint32(8) {
		d, h := f.Doc(i), f.House(i)
		for _, off := range []uint32{i, d.Object, h.Object, d.Context, d.Names} {
			o := f.Object(off)
			for _, shape := range []uint32{off, o.Shape} {
				f.Shape(shape)
				f.Walk(shape, func(_, _ Point) {})
			}
			n := f.Context(off)
			for n.More() {
				n.Next()
			}
			n = f.NameWords(off)
			for n.More() {
				n.Next()
			}
			f.String(off)
		}
		p := f.Posting(i)
		for _, list := range p.Of {
			all(list)
		}
		all(f.Residents(i))
		f.Numbered(i, h.Object, h.Number, func(uint32) {})
	}
	f.Around(3, -1<<17, 1<<17, func(uint32) {})
	f.ByID('W', 9, func(uint32) {})
}

package streets

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"geogate/internal/geo"
	"geogate/internal/streets/build"
	"geogate/internal/streets/packed"
)

var everyByte = flag.Bool("every-byte", false, "flip every byte of a file, not some of each page")

// small imports Monaco and returns the bytes of its file.
func small(t testing.TB) []byte {
	t.Helper()
	open(t, "mc")
	data, err := os.ReadFile(filepath.Join(imported.dir, "mc.streets"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestImportIsRepeatable: the same extract gives the same bytes.
func TestImportIsRepeatable(t *testing.T) {
	out := filepath.Join(t.TempDir(), "again.streets")
	if _, err := build.Import(context.Background(), []string{"testdata/monaco.osm.pbf"}, out, build.Options{Country: countryAt(t)}); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, small(t)) {
		t.Error("two imports of one extract differ")
	}
}

// TestDamageIsAnError flips bytes of a file in turn. The file then either does
// not open, or answers with an error, or answers what the whole file does.
func TestDamageIsAnError(t *testing.T) {
	whole := small(t)
	query := Query{Text: "25 Boulevard de Suisse, Monaco", Limit: 1}
	at := ReverseQuery{Point: geo.Point{Lat: 43.7385, Lon: 7.4240}, Zoom: 18}
	answers := func(s *Streets) (string, error) {
		list, err := s.Search(query)
		if err != nil {
			return "", err
		}
		m, ok, err := s.Reverse(at)
		if err != nil || !ok || len(list) == 0 {
			return "", err
		}
		said := list[0].Place(Details{}).DisplayName + "\n" + m.Place(Details{}).DisplayName
		return said, s.file.Err()
	}
	good, err := New(whole)
	if err != nil {
		t.Fatal(err)
	}
	want, err := answers(good)
	if err != nil || want == "" {
		t.Fatalf("answers = %q, %v", want, err)
	}
	// All bytes take a minute. A page has one checksum, so some of its bytes
	// stand for the others; the header is read byte by byte.
	step := func(i int) int {
		if *everyByte || i < 1024 {
			return 1
		}
		return 211
	}
	data := bytes.Clone(whole)
	for i := 0; i < len(data); i += step(i) {
		data[i] ^= 0xFF
		s, err := New(data)
		if err == nil {
			var got string
			got, err = answers(s)
			if err == nil && got != want {
				t.Fatalf("byte %d flipped: answered %q, want %q", i, got, want)
			}
		}
		if err != nil && !errors.Is(err, packed.ErrDamaged) && !errors.Is(err, packed.ErrNotStreets) && !errors.Is(err, packed.ErrVersion) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		data[i] ^= 0xFF
	}
}

func TestCutOffFilesAreRefused(t *testing.T) {
	whole := small(t)
	for _, n := range []int{0, 10, 100, 1000, len(whole) / 2, len(whole) - 1} {
		if _, err := New(whole[:n]); err == nil {
			t.Errorf("a file cut off at %d of %d bytes opens", n, len(whole))
		}
	}
	if _, err := Open("testdata/monaco.osm.pbf"); !errors.Is(err, packed.ErrNotStreets) {
		t.Errorf("Open(an extract) = %v, want ErrNotStreets", err)
	}
}

// FuzzSearch asks whatever comes: it never panics and never fails.
func FuzzSearch(f *testing.F) {
	s := open(f, "mc")
	for _, q := range []string{"25 Boulevard de Suisse, Monaco", "mc-98000", "ул. Ленина 5", "12a-14/b", ",,,", "北京市", "c/ 5 nº 7 bis"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, query := range []Query{{Text: q}, {Text: q, Prefix: true}, {Street: q, City: "Monaco"}} {
			list, err := s.Search(query)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range list {
				m.Place(Details{Languages: Languages{"de"}, Outline: GeoJSON})
			}
		}
	})
}

package gazetteer

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

func load(tb testing.TB) *Gazetteer {
	tb.Helper()
	g, err := Load()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// TestLoadIsSmall holds the promise that the data stays where it is: the bound
// is a hundredth of what a map of all names takes.
func TestLoadIsSmall(t *testing.T) {
	const bound = 1 << 20
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	g := load(t)
	if len(g.Search(Query{Text: "Vaduz"})) == 0 {
		t.Error("nothing found: the measurement is void")
	}
	after := heap()
	runtime.KeepAlive(g)
	if after > before+bound {
		t.Errorf("the gazetteer takes %d bytes of heap, want at most %d", after-before, bound)
	}
}

func TestByID(t *testing.T) {
	g := load(t)
	m, ok := g.ByID(3042030)
	if !ok || m.Name != "Vaduz" || m.CountryCode != "li" || m.ID != 3042030 {
		t.Errorf("ByID(3042030) = %+v, %t, want Vaduz", m, ok)
	}
	for _, id := range []int64{0, -1, 1, 1 << 40} {
		if m, ok := g.ByID(id); ok {
			t.Errorf("ByID(%d) = %q, want nothing", id, m.Name)
		}
	}
}

func TestDate(t *testing.T) {
	g := load(t)
	if want := time.Date(2023, time.March, 1, 0, 0, 0, 0, time.UTC); !g.Date().Equal(want) {
		t.Errorf("Date() = %v, want %v", g.Date(), want)
	}
	if g.Places() < 199_000 {
		t.Errorf("Places() = %d, want the whole world", g.Places())
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		load(b)
	}
}

// TestDataVersionIsThatOfTheFile guards against answers of other data or rules
// in a cache: whoever changes what is found raises rules, and this constant.
func TestDataVersionIsThatOfTheFile(t *testing.T) {
	g := load(t)
	digest, version, ok := strings.Cut(g.DataVersion(), "-")
	if !ok || digest != g.file.Digest() || version != "2" {
		t.Errorf("DataVersion() = %q, want the digest %s and the version of the rules", g.DataVersion(), g.file.Digest())
	}
}

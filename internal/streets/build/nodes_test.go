package build

import (
	"math/rand/v2"
	"testing"

	"geogate/internal/streets/packed"
)

// TestNodeStore asks for nodes, some twice, gives positions to most of them and
// to others, sorted and not, and compares with a map.
func TestNodeStore(t *testing.T) {
	for _, sorted := range []bool{true, false} {
		random := rand.New(rand.NewPCG(2, 2))
		var s nodeStore
		want := map[int64]packed.Point{}
		id := int64(-70_000)
		var ids []int64
		for range 20_000 {
			id += random.Int64N(50)
			ids = append(ids, id)
		}
		for _, i := range random.Perm(len(ids)) {
			s.need([]int64{ids[i], ids[i]})
			want[ids[i]] = missing
		}
		s.sort()
		if !sorted {
			random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		}
		for i, id := range ids {
			at := packed.Point{Lat: int32(i), Lon: -int32(i)}
			s.put(id+1_000_000_000, at) // nobody asked for it
			if i%10 != 0 {
				s.put(id, at)
				want[id] = at
			}
		}
		for id, at := range want {
			if got := s.get(id); got != at {
				t.Fatalf("get(%d) = %v, want %v", id, got, at)
			}
		}
		if got := s.get(1 << 40); got != missing {
			t.Errorf("a node that nobody asked for lies at %v", got)
		}
	}
}

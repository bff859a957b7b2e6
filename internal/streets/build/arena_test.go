package build

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestArenaKeepsRecordsWhereItSays adds records of all sizes, some larger than a
// piece, and finds them in the arena and in the section that is made of it.
func TestArenaKeepsRecordsWhereItSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var a arena
	var records [][]byte
	var places []uint32
	for i := range 2000 {
		size := random.IntN(200)
		if i%100 == 7 {
			size = random.IntN(4 * pieceBytes)
		}
		r := make([]byte, size)
		for j := range r {
			r[j] = byte(random.Uint32())
		}
		records = append(records, r)
		places = append(places, a.add(r))
	}
	var section []byte
	a.write(func(b []byte) { section = append(section, b...) })
	for i, want := range records {
		if !bytes.Equal(a.get(places[i]), want) {
			t.Fatalf("record %d of %d bytes is not the one that was added", i, len(want))
		}
		rest := section[places[i]:]
		n, k := binary.Uvarint(rest)
		if got := rest[k : k+int(n)]; !bytes.Equal(got, want) {
			t.Fatalf("record %d of %d bytes is not where the arena said in the section", i, len(want))
		}
	}
	if a.full() {
		t.Error("it says that it is full")
	}
}

func TestArenaSaysThatItIsFull(t *testing.T) {
	a := arena{pieces: make([][]byte, 1<<16)}
	if a.add([]byte("x")); !a.full() {
		t.Error("one piece more than numbers of 32 bits can tell, and it is not full")
	}
}

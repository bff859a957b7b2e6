package build

import (
	"encoding/binary"

	"geogate/internal/streets/packed"
)

// arena holds records one after the other. It grows by pieces, so nothing is
// copied and little lies idle. Written to a section piece by piece, each
// record is where add said.
type arena struct{ pieces [][]byte }

const (
	pieceBits  = 16
	pieceBytes = 1 << pieceBits
)

// add copies a record and returns where it is.
func (a *arena) add(record []byte) uint32 {
	need := len(record) + binary.MaxVarintLen32
	if n := len(a.pieces); n == 0 || cap(a.pieces[n-1])-len(a.pieces[n-1]) < need {
		pieces := (need + pieceBytes - 1) >> pieceBits
		a.pieces = append(a.pieces, make([]byte, 0, pieces<<pieceBits))
		// A record that takes several pieces has them to itself.
		for range pieces - 1 {
			a.pieces = append(a.pieces, nil)
		}
		if pieces > 1 {
			n := len(a.pieces) - pieces
			a.pieces[n] = packed.AppendRecord(a.pieces[n], record)
			return uint32(n) << pieceBits
		}
	}
	last := &a.pieces[len(a.pieces)-1]
	at := uint32(len(a.pieces)-1)<<pieceBits | uint32(len(*last))
	*last = packed.AppendRecord(*last, record)
	return at
}

// get is the record at a place that add returned.
func (a *arena) get(at uint32) []byte {
	b := a.pieces[at>>pieceBits][at&(pieceBytes-1):]
	n, k := binary.Uvarint(b)
	return b[k : k+int(n)]
}

// full tells whether there were more records than numbers for their places.
// Such an arena gives wrong records.
func (a *arena) full() bool { return len(a.pieces) > 1<<(32-pieceBits) }

// write hands the records to a section.
func (a *arena) write(out func([]byte)) {
	left := len(a.pieces)
	for left > 0 && a.pieces[left-1] == nil {
		left--
	}
	for i, piece := range a.pieces[:left] {
		if i < left-1 {
			piece = piece[:cap(piece)]
		}
		out(piece)
	}
}

// appendSigned encodes a number for signed.
func appendSigned(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

func signed(b []byte) (v int64, n int) {
	u, n := binary.Uvarint(b)
	return int64(u>>1) ^ -int64(u&1), n
}

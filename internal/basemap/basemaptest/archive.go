// Package basemaptest makes small archives of tiles for tests.
package basemaptest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Places in the header of an archive, in bytes.
const (
	Version         = 7
	RootLength      = 16
	MetadataOffset  = 24
	MetadataLength  = 32
	TilesLength     = 64
	InnerCompressed = 97
	TileType        = 99

	header = 127
)

// Archive is an archive of one vector tile for the whole world, with a square of water.
func Archive() []byte {
	const description = `{"attribution":"© <a href=\"https://example.org/\" onclick=\"x\">Makers</a><script>x</script>","vector_layers":[{"id":"water","fields":{}}]}`
	tile := tileOfWater()
	root := []byte{1, 0, 1, byte(len(tile)), 1} // one entry: tile 0, once, so many bytes, at the start
	h := make([]byte, header)
	copy(h, "PMTiles\x03")
	at := uint64(header)
	for i, length := range []int{len(root), len(description), 0, len(tile)} {
		binary.LittleEndian.PutUint64(h[8+16*i:], at)
		binary.LittleEndian.PutUint64(h[16+16*i:], uint64(length))
		at += uint64(length)
	}
	for i := range 3 { // tiles, entries and contents: one each
		h[72+8*i] = 1
	}
	h[96], h[InnerCompressed], h[98], h[TileType] = 1, 1, 1, 1 // clustered, nothing compressed, vector tiles
	for i, degrees := range []int32{-180, -85, 180, 85} {
		binary.LittleEndian.PutUint32(h[102+4*i:], uint32(degrees*1e7))
	}
	return bytes.Join([][]byte{h, root, []byte(description), tile}, nil)
}

// tileOfWater is a vector tile (protocol buffers) with a layer "water", whose only feature
// is a square in the middle half of the tile.
func tileOfWater() []byte {
	field := func(number byte, content []byte) []byte {
		return append([]byte{number<<3 | 2, byte(len(content))}, content...)
	}
	zigzag := func(n int64) []byte { return binary.AppendVarint(nil, n) }
	geometry := bytes.Join([][]byte{
		{9}, zigzag(1024), zigzag(1024), // move to
		{3<<3 | 2}, zigzag(2048), zigzag(0), zigzag(0), zigzag(2048), zigzag(-2048), zigzag(0), // three lines
		{15}, // close
	}, nil)
	polygon := append([]byte{3 << 3, 3}, field(4, geometry)...)
	layer := bytes.Join([][]byte{field(1, []byte("water")), field(2, polygon), {5 << 3, 0x80, 0x20}, {15 << 3, 2}}, nil) // extent 4096, version 2
	return field(3, layer)
}

// Write writes an archive into a file and returns its path.
func Write(t testing.TB, archive []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "city.pmtiles")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

package basemap

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	headerBytes = 127 // of an archive
	// maxMetadata is the longest description in an archive that is read, in bytes, as it
	// lies there and unpacked.
	maxMetadata = 4 << 20
	// maxLayers is how many layers of vector tiles are told of.
	maxLayers = 100
)

// Kinds of tiles, by their number in an archive.
const (
	vectorTiles = 1
	avifTiles   = 5 // the last kind of pictures
)

// Archive is a file of tiles in the format PMTiles 3. It is safe for concurrent use.
type Archive struct {
	Tileset
	file     *os.File
	size     int64
	modified time.Time
}

// Tileset is what a map needs to know of an archive before it reads any tile.
type Tileset struct {
	Vector      bool       `json:"vector"` // else pictures
	MinZoom     int        `json:"minzoom"`
	MaxZoom     int        `json:"maxzoom"`
	Bounds      [4]float64 `json:"bounds"`           // west, south, east, north, in degrees
	Layers      []string   `json:"layers,omitempty"` // of vector tiles
	Attribution string     `json:"attribution,omitempty"`
}

// OpenArchive opens the archive in a file and reads what is in front of its tiles. The
// errors say what is wrong with the file. Whoever opens one closes it.
func OpenArchive(path string) (*Archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the file
	}
	a := &Archive{file: file}
	if err := a.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return a, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.file.Close() } //nolint:wrapcheck // names the file

// Content is the whole file, from its start, for one reader.
func (a *Archive) Content() *io.SectionReader { return io.NewSectionReader(a.file, 0, a.size) }

// Modified is when the file was written.
func (a *Archive) Modified() time.Time { return a.modified }

func (a *Archive) read() error {
	info, err := a.file.Stat()
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	a.size, a.modified = info.Size(), info.ModTime()
	h := make([]byte, headerBytes)
	if _, err := a.file.ReadAt(h, 0); err != nil || string(h[:7]) != "PMTiles" {
		return errors.New("not an archive of PMTiles")
	}
	if h[7] != 3 {
		return fmt.Errorf("PMTiles of version %d; want version 3, see pmtiles convert", h[7])
	}
	if kind := h[99]; kind < vectorTiles || kind > avifTiles {
		return fmt.Errorf("tiles of kind %d; want vector tiles (MVT), PNG, JPEG, WebP or AVIF", kind)
	}
	for name, at := range map[string]int{"root directory": 8, "description": 24, "leaf directories": 40, "tiles": 56} {
		offset, length := binary.LittleEndian.Uint64(h[at:]), binary.LittleEndian.Uint64(h[at+8:])
		if size := uint64(a.size); offset > size || length > size-offset {
			return fmt.Errorf("cut off: its %s would end beyond the %d bytes that there are", name, size)
		}
	}
	if _, err := a.unpack(h, 8); err != nil {
		return fmt.Errorf("damaged: its root directory %w", err)
	}
	description, err := a.unpack(h, 24)
	if err != nil {
		return fmt.Errorf("damaged: its description %w", err)
	}
	return a.describe(h, description)
}

// unpack returns the part of the archive whose place stands at a byte of the header.
func (a *Archive) unpack(h []byte, at int) ([]byte, error) {
	offset, length := binary.LittleEndian.Uint64(h[at:]), binary.LittleEndian.Uint64(h[at+8:])
	if length == 0 || length > maxMetadata {
		return nil, fmt.Errorf("has %d bytes; want 1 to %d", length, maxMetadata)
	}
	packed := make([]byte, length)
	if _, err := a.file.ReadAt(packed, int64(offset)); err != nil {
		return nil, errors.New("cannot be read")
	}
	switch h[97] {
	case 1:
		return packed, nil
	case 2:
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, errors.New("is not gzip")
		}
		plain, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
		if err != nil || len(plain) > maxMetadata {
			return nil, errors.New("cannot be unpacked")
		}
		return plain, nil
	default:
		return nil, errors.New("is compressed by something else than gzip; see pmtiles convert")
	}
}

func (a *Archive) describe(h, description []byte) error {
	var d struct {
		Attribution string `json:"attribution"`
		Layers      []struct {
			ID string `json:"id"`
		} `json:"vector_layers"`
	}
	if err := json.Unmarshal(description, &d); err != nil {
		return errors.New("damaged: its description is not JSON")
	}
	degrees := func(at int) float64 { return float64(int32(binary.LittleEndian.Uint32(h[at:]))) / 1e7 }
	a.Tileset = Tileset{
		Vector: h[99] == vectorTiles, MinZoom: int(h[100]), MaxZoom: int(h[101]),
		Bounds: [4]float64{degrees(102), degrees(106), degrees(110), degrees(114)}, Attribution: plainLinks(d.Attribution),
	}
	for _, layer := range d.Layers[:min(len(d.Layers), maxLayers)] {
		a.Layers = append(a.Layers, layer.ID)
	}
	return nil
}

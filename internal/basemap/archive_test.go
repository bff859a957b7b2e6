package basemap_test

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/basemap"
	"geogate/internal/basemap/basemaptest"
)

func TestOpenArchive(t *testing.T) {
	a, err := basemap.OpenArchive(basemaptest.Write(t, basemaptest.Archive()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	want := basemap.Tileset{
		Vector: true, Bounds: [4]float64{-180, -85, 180, 85}, Layers: []string{"water"},
		Attribution: `© <a href="https://example.org/" target="_blank" rel="noopener">Makers</a>x`,
	}
	if diff := cmp.Diff(want, a.Tileset); diff != "" {
		t.Errorf("the archive (-want +got):\n%s", diff)
	}
	if got := a.Content().Size(); got != int64(len(basemaptest.Archive())) {
		t.Errorf("its content has %d bytes", got)
	}
}

func TestOpenArchiveSaysWhatIsWrong(t *testing.T) {
	changed := func(change func(file []byte) []byte) []byte { return change(basemaptest.Archive()) }
	set := func(at int, value byte) []byte {
		return changed(func(file []byte) []byte { file[at] = value; return file })
	}
	long := func(at int, value uint64) []byte {
		return changed(func(file []byte) []byte { binary.LittleEndian.PutUint64(file[at:], value); return file })
	}
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "not an archive of PMTiles"},
		{"something else", []byte(strings.Repeat("SQLite format 3", 20)), "not an archive of PMTiles"},
		{"an older version", set(basemaptest.Version, 2), "PMTiles of version 2; want version 3, see pmtiles convert"},
		{"tiles that no browser draws", set(basemaptest.TileType, 6), "tiles of kind 6; want vector tiles (MVT), PNG, JPEG, WebP or AVIF"},
		{"cut off", changed(func(file []byte) []byte { return file[:len(file)-1] }), "cut off: its tiles would end beyond the"},
		{"a length beyond all numbers", long(basemaptest.TilesLength, 1<<63), "cut off: its tiles would end beyond the"},
		{"a place beyond all numbers", long(basemaptest.MetadataOffset, 1<<64-1), "cut off: its description would end beyond the"},
		{"no directory", long(basemaptest.RootLength, 0), "damaged: its root directory has 0 bytes"},
		{"not gzip", set(basemaptest.InnerCompressed, 2), "damaged: its root directory is not gzip"},
		{"brotli", set(basemaptest.InnerCompressed, 3), "damaged: its root directory is compressed by something else than gzip"},
		{"half a description", long(basemaptest.MetadataLength, 20), "damaged: its description is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := basemaptest.Write(t, tt.file)
			_, err := basemap.OpenArchive(path)
			if err == nil || !strings.HasPrefix(err.Error(), path+": "+tt.want) {
				t.Errorf("OpenArchive: %v, want %q", err, tt.want)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "city.pmtiles")
	if _, err := basemap.OpenArchive(missing); err == nil || !strings.Contains(err.Error(), "open "+missing) {
		t.Errorf("a file that is not there: %v", err)
	}
}

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/streets/build"
	"geogate/internal/terminal"
)

type importCmd struct {
	Extracts []string `arg:"" name:"file" help:"OpenStreetMap extracts in the PBF format, such as monaco.osm.pbf."`
	Out      string   `short:"o" placeholder:"FILE" help:"The file to write. Default: the name of the first extract, with .streets."`
}

// importGC is the garbage, in per cent of what is in use, that an import may
// let lie.
const importGC = 25

// countryZoom asks a reverse geocode for the country.
const countryZoom = 3

// Run imports the extracts.
func (cmd importCmd) Run(ctx context.Context, p *Process) error {
	places, err := gazetteer.Load()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	out := cmd.Out
	if out == "" {
		out = streetsName(cmd.Extracts[0])
	}
	began := time.Now()
	// An import keeps most of what it makes: a tight heap costs a fifth of the
	// time and saves a third of the memory.
	defer debug.SetGCPercent(debug.SetGCPercent(importGC))
	bar := progressBar{w: p.Stderr, shown: terminal.Is(p.Stderr)}
	info, err := build.Import(ctx, cmd.Extracts, out, build.Options{
		Country: func(lat, lon float64) string {
			m, ok := places.Reverse(geo.Point{Lat: lat, Lon: lon}, countryZoom)
			if !ok {
				return ""
			}
			return m.Place(nil).CountryCode
		},
		Progress: bar.show,
	})
	bar.end()
	if err != nil {
		return err //nolint:wrapcheck // says what it did
	}
	file, err := os.Stat(out)
	if err != nil {
		return errors.Join(errors.New("import"), err)
	}
	fmt.Fprintf(p.Stdout, "%s: %d streets, %d house numbers, %d places, %d post codes, %d points of interest; data of %s; %.1f MB in %s\n",
		out, info.Streets, info.Houses, info.Areas, info.PostCodes, info.POIs, info.Date.Format(time.DateOnly),
		float64(file.Size())/1e6, time.Since(began).Round(10*time.Millisecond))
	if info.Skipped > 0 {
		fmt.Fprintf(p.Stdout, "%d broken or incomplete objects were left out\n", info.Skipped)
	}
	return nil
}

// streetsName is the name of the file for an extract: that of the extract, in
// the working directory.
func streetsName(extract string) string {
	name := extract[strings.LastIndexByte(extract, os.PathSeparator)+1:]
	for _, ending := range []string{".pbf", ".osm"} {
		name = strings.TrimSuffix(name, ending)
	}
	return name + ".streets"
}

// progressBar shows how far an import is, on terminals only.
type progressBar struct {
	w     io.Writer
	shown bool
	last  int
}

const barWidth = 40

func (b *progressBar) show(done float64) {
	n := int(done * 100)
	if !b.shown || n == b.last {
		return
	}
	b.last = n
	filled := int(done * barWidth)
	fmt.Fprintf(b.w, "\r[%s%s] %3d %%", strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), n)
}

func (b *progressBar) end() {
	if b.shown {
		fmt.Fprint(b.w, "\r\033[K")
	}
}

package console

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"geogate/gateway/exchange"
	"geogate/internal/gazetteer"
)

//go:embed page
var embedded embed.FS

// readFiles finds all files of the page, by their path below /console/. What is big comes
// compressed.
func readFiles() map[string]*exchange.File {
	files := map[string]*exchange.File{"outlines.json": exchange.NewGzippedFile("outlines.json", gazetteer.Outlines)}
	err := fs.WalkDir(embedded, "page", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err //nolint:wrapcheck // it names the file
		}
		below, compressed := strings.CutSuffix(strings.TrimPrefix(name, "page/"), ".gz")
		if compressed {
			files[below] = exchange.NewGzippedFile(below, content)
		} else {
			files[below] = exchange.NewFile(below, content)
		}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("console: read the page: %v", err)) // it is in the binary
	}
	return files
}

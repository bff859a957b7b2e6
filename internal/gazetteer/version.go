package gazetteer

import (
	_ "embed"
	"strings"
)

// sum identifies the data. It stands in a file of its own, because to work it
// out at the start would read all of the data into memory.
//
//go:embed data/places.sha256
var sum string

// Version identifies the data: two gazetteers with one version hold the same
// places.
func (g *Gazetteer) Version() string { return strings.TrimSpace(sum) }

package dispatch

import (
	"fmt"
	"slices"
)

// DefaultRegion is the region of everything that names none, where it is declared.
const DefaultRegion = "default"

// IsRegionName reports whether a region may have this name: 1 to MaxRegionLen of a-z,
// 0-9, - and _, beginning with a letter or digit.
func IsRegionName(name string) bool {
	ok := name != "" && len(name) <= MaxRegionLen
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && (c == '-' || c == '_'))
	}
	return ok
}

// regionNamed returns the declared region of that name, DefaultRegion for none.
func (e *Engine) regionNamed(name string) (string, *InputError) {
	switch {
	case name == "" && slices.Contains(e.regions, DefaultRegion):
		return DefaultRegion, nil
	case name == "":
		return "", &InputError{CodeUnknownRegion, "region is missing: there is no default one here"}
	case !slices.Contains(e.regions, name):
		return "", &InputError{CodeUnknownRegion, fmt.Sprintf("no such region; there are %d", len(e.regions))}
	}
	return name, nil
}

// manyRegions reports whether a driver could be in another region than the one asked.
func (e *Engine) manyRegions() bool { return len(e.regions) > 1 }

// prefix begins every key of a region and holds its hash tag.
func prefix(region string) string { return "geogate:{" + region + "}" }

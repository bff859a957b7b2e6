package command

import (
	"regexp"
	"slices"
)

var number = regexp.MustCompile(`^[-+]?\.?\d`)

// tolerant returns args as the parser takes them. `geogate --version` is what people
// try first, and the parser takes the coordinates of half of the world, such as
// -33.44, for flags: they go to the end, where nothing is a flag.
func tolerant(args []string) []string {
	if slices.Equal(args, []string{"--version"}) {
		return []string{"version"}
	}
	if len(args) == 0 || args[0] != "reverse" || slices.Contains(args, "--") {
		return args
	}
	var words, numbers []string
	for _, arg := range args {
		if number.MatchString(arg) { // no flag of reverse takes one
			numbers = append(numbers, arg)
		} else {
			words = append(words, arg)
		}
	}
	return slices.Concat(words, []string{"--"}, numbers)
}

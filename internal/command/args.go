package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// tolerant returns args as the parser takes them. `geogate --version` and `geogate help`
// are what people try first.
func tolerant(args []string) []string {
	switch {
	case slices.Equal(args, []string{"--version"}):
		return []string{"version"}
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 0 || args[0] != "reverse" || slices.Contains(args, "--"):
		return args
	}
	return withPosition(args)
}

var number = regexp.MustCompile(`^[-+]?\.?\d`)

// withPosition moves the coordinates of reverse to the end, where nothing is a flag: the
// parser takes those of half of the world, such as -33.44, for flags. Maps show positions
// as "47.14, 9.52" for copying.
func withPosition(args []string) []string {
	var words, numbers []string
	for _, arg := range args {
		if number.MatchString(arg) { // no flag of reverse takes one
			numbers = append(numbers, arg)
		} else {
			words = append(words, arg)
		}
	}
	switch len(numbers) {
	case 1:
		numbers = strings.FieldsFunc(numbers[0], func(r rune) bool { return r == ',' || r == ' ' })
	case 2:
		numbers[0] = strings.TrimSuffix(numbers[0], ",")
	}
	return slices.Concat(words, []string{"--"}, numbers)
}

// mistake says what is wrong with args, and where to read what is right.
func mistake(program *kong.Node, args []string, err error) string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && child(program, args[0]) == nil {
		var names []string
		for _, command := range program.Children {
			names = append(names, command.Name)
		}
		return fmt.Sprintf("there is no command %s\nThe commands are %s.\nRun geogate --help to see what they do.", args[0], strings.Join(names, ", "))
	}
	known := 0 // of args: the command, and the one below it
	for known < len(args) {
		if program = child(program, args[known]); program == nil {
			break
		}
		known++
	}
	command := append([]string{"geogate"}, args[:known]...)
	return fmt.Sprintf("%v\nRun %s --help to see what it takes.", err, strings.Join(command, " "))
}

func child(parent *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(parent.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return parent.Children[i]
}

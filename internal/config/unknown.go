package config

import (
	"fmt"
	"slices"
	"strings"
)

// Unknown names the variables of environ, which has the form of os.Environ, that
// geogate does not read although they look as if it should, each with the one that
// was probably meant. Of OpenTelemetry's variables it names all that geogate does not
// read: nothing that they ask for happens. A variable whose correct name is set as well is somebody
// else's.
func Unknown(environ []string) []string {
	known := variables()
	set := map[string]bool{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		set[name] = value != ""
	}
	var notes []string
	for name, given := range set {
		if !given || slices.ContainsFunc(known, func(v variable) bool { return v.name == name }) {
			continue
		}
		if strings.HasPrefix(name, "OTEL_") {
			notes = append(notes, name+" is set, and geogate does not read it")
			continue
		}
		if meant := closest(name, known); meant != "" && !set[meant] {
			notes = append(notes, fmt.Sprintf("%s is set, and geogate does not read it: did you mean %s?", name, meant))
		}
	}
	slices.Sort(notes)
	return notes
}

// closest is the variable that name is a misspelling of, "" for none. A short name
// may have one wrong letter, a long one two.
func closest(name string, known []variable) string {
	name = strings.TrimPrefix(strings.ToUpper(name), "GEOGATE_")
	best, meant := 0, ""
	for _, v := range known {
		slips := 1
		if len(v.name) >= 10 {
			slips = 2
		}
		if d := distance(name, v.name, slips); d <= slips && (meant == "" || d < best) {
			best, meant = d, v.name
		}
	}
	return meant
}

// distance is how many letters have to be inserted, removed, replaced or swapped
// with their neighbour to make b of a; more than most is as good as endless.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i, least := 1, 0; i <= len(a); i++ {
		last := slices.Min(above)
		if last > most && least > most { // rows grow from the two above them only
			return most + 1
		}
		least = last
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := above[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

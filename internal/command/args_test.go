package command

import (
	"strings"
	"testing"
)

func TestTolerant(t *testing.T) {
	for given, want := range map[string]string{
		"":                                       "",
		"--version":                              "version",
		"reverse -33.44 -70.63":                  "reverse -- -33.44 -70.63",
		"reverse 47.14 9.52 --json":              "reverse --json -- 47.14 9.52",
		"reverse -33.44 --language de -.5":       "reverse --language de -- -33.44 -.5",
		"reverse --json -- -33.44 -70.63":        "reverse --json -- -33.44 -70.63",
		"bulk towns.csv --limit -1":              "bulk towns.csv --limit -1",
		"geocode -33.44":                         "geocode -33.44",
		"reverse --server http://h -33.44 -7e-1": "reverse --server http://h -- -33.44 -7e-1",
	} {
		if got := strings.Join(tolerant(strings.Fields(given)), " "); got != want {
			t.Errorf("tolerant(%q) = %q, want %q", given, got, want)
		}
	}
}

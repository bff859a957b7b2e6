package command

import (
	"strings"
	"testing"
)

func TestTolerant(t *testing.T) {
	for given, want := range map[string]string{
		"":                                       "",
		"--version":                              "version",
		"help":                                   "--help",
		"help keys create":                       "keys create --help",
		"reverse -33.44 -70.63":                  "reverse -- -33.44 -70.63",
		"reverse 47.14 9.52 --json":              "reverse --json -- 47.14 9.52",
		"reverse 47.14, 9.52":                    "reverse -- 47.14 9.52",
		"reverse -33.44,-70.63":                  "reverse -- -33.44 -70.63",
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

// Whoever mistypes a command learns what there is.
func TestMistakes(t *testing.T) {
	for given, want := range map[string]string{
		"sevre":         "geogate: there is no command sevre\nThe commands are serve, demo, ",
		"--prot 80":     "geogate: unknown flag --prot, did you mean \"--port\"?\nRun geogate --help to see what it takes.\n",
		"geocode":       "geogate: expected \"<address> ...\"\nRun geogate geocode --help to see what it takes.\n",
		"reverse 47.14": "geogate: expected \"<lon>\"\nRun geogate reverse --help to see what it takes.\n",
		"keys create":   "geogate: missing flags: --role=ROLE, --subject=ID\nRun geogate keys create --help to see what it takes.\n",
		"keys make":     "geogate: unexpected argument make\nRun geogate keys --help to see what it takes.\n",
	} {
		var said strings.Builder
		if code := Run(t.Context(), Process{Args: strings.Fields(given), Stderr: &said}); code != exitUsage || !strings.HasPrefix(said.String(), want) {
			t.Errorf("geogate %s = %d %q, want %d %q", given, code, said.String(), exitUsage, want)
		}
	}
}

package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"geogate/checks/geogate"

	"go.yaml.in/yaml/v3"
)

type addon struct {
	Plan string `yaml:"plan" json:"plan"`
	As   string `yaml:"as"   json:"as"`
}

// herokuYML is the manifest as Heroku documents it, as far as geogate uses it:
// another key is a mistake until it is added here.
type herokuYML struct {
	Setup struct {
		Addons []addon           `yaml:"addons"`
		Config map[string]string `yaml:"config"`
	} `yaml:"setup"`
	Build struct {
		Docker map[string]string `yaml:"docker"`
	} `yaml:"build"`
	Run map[string]herokuRun `yaml:"run"`
}

// herokuRun is a command, or one with the image of another process.
type herokuRun struct {
	Command []string `yaml:"command"`
	Image   string   `yaml:"image"`
}

func (r *herokuRun) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		r.Command = []string{node.Value}
		return nil
	}
	type plain herokuRun // without this method
	return node.Decode((*plain)(r))
}

// appJSON likewise.
type appJSON struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Keywords    []string `json:"keywords"`
	Stack       string   `json:"stack"`
	Addons      []addon  `json:"addons"`
	Formation   map[string]struct {
		Quantity int    `json:"quantity"`
		Size     string `json:"size"`
	} `json:"formation"`
	Env map[string]struct {
		Description string `json:"description"`
		Value       string `json:"value"`
		Required    *bool  `json:"required"`
		Generator   string `json:"generator"`
	} `json:"env"`
}

func manifest(t *testing.T) herokuYML {
	t.Helper()
	var m herokuYML
	d := yaml.NewDecoder(strings.NewReader(read(t, "heroku.yml")))
	d.KnownFields(true)
	if err := d.Decode(&m); err != nil {
		t.Fatalf("heroku.yml: %v", err)
	}
	return m
}

func button(t *testing.T) appJSON {
	t.Helper()
	var a appJSON
	d := json.NewDecoder(strings.NewReader(read(t, "app.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		t.Fatalf("app.json: %v", err)
	}
	return a
}

func TestHerokuManifest(t *testing.T) {
	m := manifest(t)
	if want := (addon{"heroku-redis:mini", "REDIS"}); len(m.Setup.Addons) != 1 || m.Setup.Addons[0] != want {
		t.Errorf("add-ons are %v, want %v, which gives REDIS_URL", m.Setup.Addons, want)
	}
	if got := m.Setup.Config["REDIS_TLS_SKIP_VERIFY"]; got != "true" {
		t.Errorf("REDIS_TLS_SKIP_VERIFY is %q: the certificate of Heroku's Redis is self-signed", got)
	}
	if _, err := os.Stat(filepath.Join(root, m.Build.Docker["web"])); err != nil || m.Build.Docker["web"] == "" {
		t.Errorf("web is built from %q: %v", m.Build.Docker["web"], err)
	}
	for process, want := range map[string]herokuRun{
		"web":    {Command: []string{"exec /bin/geogate serve"}},
		"worker": {Command: []string{"exec /bin/geogate worker"}, Image: "web"},
	} {
		if got := m.Run[process]; !slices.Equal(got.Command, want.Command) || got.Image != want.Image {
			t.Errorf("%s runs %v, want %v: the binary of the image in place of the shell", process, got, want)
		}
	}
}

func TestHerokuButtonAgreesWithManifest(t *testing.T) {
	m, a := manifest(t), button(t)
	if a.Stack != "container" {
		t.Errorf("stack is %q: heroku.yml counts on the stack container only", a.Stack)
	}
	if len(a.Addons) != 1 || a.Addons[0] != m.Setup.Addons[0] {
		t.Errorf("add-ons are %v, heroku.yml has %v", a.Addons, m.Setup.Addons)
	}
	for name, want := range m.Setup.Config {
		if got := a.Env[name].Value; got != want {
			t.Errorf("%s is %q, heroku.yml has %q", name, got, want)
		}
	}
	if len(a.Name) < 3 || len(a.Name) > 30 || len(a.Description) > 140 {
		t.Errorf("name has %d letters (3 to 30), description %d (up to 140)", len(a.Name), len(a.Description))
	}
	for process := range a.Formation {
		if _, found := m.Run[process]; !found {
			t.Errorf("formation has %s, heroku.yml runs %v", process, m.Run)
		}
	}
	for name, v := range a.Env {
		if v.Description == "" {
			t.Errorf("%s is not described", name)
		}
	}
}

// The form that Heroku and the local runners read.
var procfileLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)

func procfile(t *testing.T) map[string]string {
	t.Helper()
	commands := map[string]string{}
	for line := range strings.Lines(read(t, "Procfile")) {
		match := procfileLine.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			t.Fatalf("Procfile: %q is no name: command", line)
		}
		commands[match[1]] = match[2]
	}
	return commands
}

func TestProcfileAgreesWithManifest(t *testing.T) {
	commands, m := procfile(t), manifest(t)
	for process, run := range m.Run {
		want := strings.Replace(run.Command[0], "exec /bin/", "bin/", 1)
		if commands[process] != want {
			t.Errorf("%s runs %q, heroku.yml has %q", process, commands[process], want)
		}
	}
}

// TestProcfileRuns starts the web process as the Go buildpack and the local
// runners do, out of a folder that holds bin/geogate and nothing else.
func TestProcfileRuns(t *testing.T) {
	dir := t.TempDir()
	geogate.Build(t, dir)
	geogate.Start(t, dir, procfile(t)["web"])
}

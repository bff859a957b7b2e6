package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is as much of GitHub's syntax as geogate uses: another key is a mistake
// until it is added here.
type workflow struct {
	Name        string            `yaml:"name"`
	On          map[string]any    `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency struct {
		Group  string `yaml:"group"`
		Cancel bool   `yaml:"cancel-in-progress"`
	} `yaml:"concurrency"`
	Jobs map[string]struct {
		RunsOn      string            `yaml:"runs-on"`
		Timeout     int               `yaml:"timeout-minutes"`
		Permissions map[string]string `yaml:"permissions"`
		Steps       []struct {
			Name string            `yaml:"name"`
			Uses string            `yaml:"uses"`
			With map[string]any    `yaml:"with"`
			Run  string            `yaml:"run"`
			Env  map[string]string `yaml:"env"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// decode reads YAML and fails on a key that into does not have.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(read(t, name)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	names := make([]string, len(found))
	for i, path := range found {
		names[i] = strings.TrimPrefix(filepath.ToSlash(path), root+"/")
	}
	return names
}

var (
	pinned     = regexp.MustCompile(`^[\w.-]+/[\w./-]+@v\d+$`)
	makeTarget = regexp.MustCompile(`(?m)^make ([a-z-]+)$`)
	ownScript  = regexp.MustCompile(`(?m)(?:^|\s)((?:\.ci|scripts)/[a-z-]+)`)
)

// Workflows run what a person runs, with as few rights as they need.
func TestWorkflows(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, name := range files(t, ".github/workflows/*.yml") {
		var w workflow
		decode(t, name, &w)
		if w.Permissions["contents"] != "read" || len(w.Permissions) != 1 {
			t.Errorf("%s: permissions are %v, want contents: read; a job may ask for more", name, w.Permissions)
		}
		for job, j := range w.Jobs {
			if j.Timeout == 0 || j.RunsOn == "" {
				t.Errorf("%s: %s has no time limit or no machine", name, job)
			}
			for _, step := range j.Steps {
				if (step.Uses == "") == (step.Run == "") {
					t.Errorf("%s: a step of %s neither uses nor runs one thing", name, job)
				}
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s is not pinned to a version", name, step.Uses)
				}
				for _, match := range makeTarget.FindAllStringSubmatch(step.Run, -1) {
					if !strings.Contains(makefile, "\n"+match[1]+":") {
						t.Errorf("%s: there is no make %s", name, match[1])
					}
				}
				for _, match := range ownScript.FindAllStringSubmatch(step.Run, -1) {
					if info, err := os.Stat(filepath.Join(root, match[1])); err != nil || info.Mode()&0o111 == 0 {
						t.Errorf("%s: %s is no program", name, match[1])
					}
				}
			}
		}
	}
}

// TestDependabot checks that each folder that is watched has something to watch, and
// that each module is watched.
func TestDependabot(t *testing.T) {
	var d struct {
		Version int `yaml:"version"`
		Updates []struct {
			Ecosystem   string            `yaml:"package-ecosystem"`
			Directories []string          `yaml:"directories"`
			Schedule    map[string]string `yaml:"schedule"`
			Groups      map[string]any    `yaml:"groups"`
		} `yaml:"updates"`
	}
	decode(t, ".github/dependabot.yml", &d)
	manifests := map[string]string{"gomod": "go.mod", "npm": "package.json", "docker": "Dockerfile", "github-actions": ".github/workflows"}
	watched := map[string]bool{}
	for _, u := range d.Updates {
		for _, dir := range u.Directories {
			manifest := filepath.Join(dir, manifests[u.Ecosystem])
			watched[manifest] = true
			if _, err := os.Stat(filepath.Join(root, manifest)); err != nil {
				t.Errorf("%s in %s: %v", u.Ecosystem, dir, err)
			}
		}
	}
	for _, name := range slices.Concat(files(t, "go.mod"), files(t, "*/go.mod"), files(t, "clients/*/go.mod"), files(t, "*/*/package.json"), files(t, "Dockerfile")) {
		if !watched["/"+name] {
			t.Errorf("%s is not watched: %v", name, slices.Sorted(maps.Keys(watched)))
		}
	}
}

// A form that GitHub cannot read is not shown at all.
func TestIssueForms(t *testing.T) {
	for _, name := range files(t, ".github/ISSUE_TEMPLATE/*.yml") {
		if strings.HasSuffix(name, "/config.yml") {
			continue
		}
		var form struct {
			Name        string   `yaml:"name"`
			Description string   `yaml:"description"`
			Labels      []string `yaml:"labels"`
			Body        []struct {
				Type       string `yaml:"type"`
				ID         string `yaml:"id"`
				Attributes struct {
					Label       string `yaml:"label"`
					Description string `yaml:"description"`
					Value       string `yaml:"value"`
					Render      string `yaml:"render"`
				} `yaml:"attributes"`
				Validations map[string]bool `yaml:"validations"`
			} `yaml:"body"`
		}
		decode(t, name, &form)
		seen := map[string]bool{}
		for _, field := range form.Body {
			if (field.Type == "markdown") != (field.ID == "") || (field.Type == "markdown") == (field.Attributes.Label != "") || seen[field.ID] {
				t.Errorf("%s: %+v", name, field)
			}
			seen[field.ID] = true
		}
		if form.Name == "" || form.Description == "" || len(form.Body) == 0 {
			t.Errorf("%s has no name, description or body", name)
		}
	}
}

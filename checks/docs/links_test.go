// Package docs checks what geogate's documents claim: the API description
// against OpenAPI and against the running program, and links against the tree.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// markdown returns the documents of the repository by their path from its top.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(geogate.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".tools", "node_modules"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		name, relErr := filepath.Rel(geogate.Root, path)
		if relErr != nil {
			return relErr
		}
		texts[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	code    = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	texts := markdown(t)
	if len(texts) == 0 {
		t.Fatal("no documents found")
	}
	for name, text := range texts {
		for _, match := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue // not ours to keep
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = name
			} else {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if _, err := os.Stat(filepath.Join(geogate.Root, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(texts[file]), anchor) {
				t.Errorf("%s links to %s, which has no such heading", name, target)
			}
		}
	}
}

// anchors are the names that code hosts give to headings.
func anchors(text string) []string {
	var list []string
	for _, match := range heading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(strings.TrimSpace(match[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		list = append(list, strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

var record = regexp.MustCompile(`^docs/adr/(\d{4})-[a-z0-9-]+\.md$`)

// TestDecisionsAreListed keeps docs/adr/README.md complete, and the numbers
// apart.
func TestDecisionsAreListed(t *testing.T) {
	texts := markdown(t)
	numbers := map[string]string{}
	for name, text := range texts {
		if filepath.ToSlash(filepath.Dir(name)) != "docs/adr" || name == "docs/adr/README.md" {
			continue
		}
		match := record.FindStringSubmatch(name)
		if match == nil {
			t.Errorf("%s: want docs/adr/NNNN-title.md", name)
			continue
		}
		number := match[1]
		if other, taken := numbers[number]; taken {
			t.Errorf("%s and %s have the same number", name, other)
		}
		numbers[number] = name
		if !strings.HasPrefix(text, "# "+number+" ") {
			t.Errorf("%s: the title has to begin with its number", name)
		}
		if !strings.Contains(texts["docs/adr/README.md"], "("+filepath.Base(name)+")") {
			t.Errorf("%s is not listed in docs/adr/README.md: make adr", name)
		}
	}
	if len(numbers) == 0 {
		t.Error("no decisions found")
	}
}

// TestLockFilesNameNoRegistry keeps the hosts of package registries out of lock
// files: they are the business of whoever installs.
func TestLockFilesNameNoRegistry(t *testing.T) {
	err := filepath.WalkDir(geogate.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", ".tools", "node_modules"}, d.Name()) {
			return fs.SkipDir
		}
		if d.Name() != "package-lock.json" {
			return nil
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), `"resolved"`) {
			t.Errorf("%s names a registry: npm install --omit-lockfile-registry-resolved", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

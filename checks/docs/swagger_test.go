package docs

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// TestSwaggerUIIsTheOneOfTheRegistry compares the files of Swagger UI that are in
// the program with those of the npm package: nobody edits them.
func TestSwaggerUIIsTheOneOfTheRegistry(t *testing.T) {
	published := filepath.Join(installFrom(t, "swaggerui"), "node_modules", "swagger-ui-dist")
	ours := map[string]string{ // ours is in gzip
		"swagger-ui-bundle.js.gz":             "swagger-ui-bundle.js",
		"swagger-ui-bundle.js.LICENSE.txt.gz": "swagger-ui-bundle.js.LICENSE.txt",
		"swagger-ui.css.gz":                   "swagger-ui.css",
		"swagger-ui.LICENSE.txt.gz":           "LICENSE",
	}
	page := filepath.Join(geogate.Root, "gateway", "reference", "page")
	entries, err := os.ReadDir(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".gz") && ours[name] == "" {
			t.Errorf("nobody knows where %s is from", name)
		}
	}
	for name, origin := range ours {
		want, err := os.ReadFile(filepath.Join(published, origin))
		if err != nil {
			t.Fatal(err)
		}
		if got := gunzip(t, filepath.Join(page, name)); !bytes.Equal(got, want) {
			t.Errorf("%s is not the %s of the package; copy it anew: gzip -9n", name, origin)
		}
	}
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// installFrom copies a folder that has a package.json with its lock file, and
// installs what they name.
func installFrom(t *testing.T, folder string) (dir string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on the PATH: run make test, which installs it on Debian", tool)
		}
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

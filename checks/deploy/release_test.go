package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/go/packages"
	"sigs.k8s.io/yaml"

	"geogate/checks/geogate"
)

// A release is as much of .goreleaser.yaml as is compared with what else is in the tree.
type release struct {
	Builds []struct {
		GoOS    []string `json:"goos"`
		GoArch  []string `json:"goarch"`
		LDFlags []string `json:"ldflags"`
	} `json:"builds"`
	Archives []struct {
		Files []string `json:"files"`
	} `json:"archives"`
	NFPMs []struct {
		Contents []struct {
			Src string `json:"src"`
		} `json:"contents"`
		Scripts map[string]string `json:"scripts"`
	} `json:"nfpms"`
	Dockers []struct {
		Dockerfile string `json:"dockerfile"`
	} `json:"dockers_v2"`
	SBOMs []struct {
		Cmd string `json:"cmd"`
	} `json:"sboms"`
}

func readRelease(t *testing.T) release {
	t.Helper()
	var r release
	if err := yaml.Unmarshal([]byte(read(t, ".goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.NFPMs) != 1 || len(r.Dockers) != 1 || len(r.SBOMs) != 1 {
		t.Fatalf(".goreleaser.yaml has %+v, want one of each", r)
	}
	return r
}

// made returns the value of a variable of the Makefile.
func made(t *testing.T, variable string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + variable + `\s*:?= (\S+)$`).FindStringSubmatch(read(t, "Makefile"))
	if match == nil {
		t.Fatalf("the Makefile does not set %s", variable)
	}
	return match[1]
}

// TestReleaseFitsItsSchema holds .goreleaser.yaml against the schema that goreleaser has of
// it, which knows every name and type. Building goreleaser takes minutes: `make
// release-check` does, and runs it.
func TestReleaseFitsItsSchema(t *testing.T) {
	name := "goreleaser-" + made(t, "GORELEASER_VERSION") + ".json"
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatalf("%v: `goreleaser jsonschema --output checks/deploy/testdata/%s` writes it", err, name)
	}
	text, err := yaml.YAMLToJSONStrict([]byte(read(t, ".goreleaser.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(settings); err != nil {
		t.Error(err)
	}
	settings.(map[string]any)["build"] = settings.(map[string]any)["builds"]
	if schema.Validate(settings) == nil {
		t.Error("the schema takes a name that goreleaser does not know")
	}
}

// What a release is made of is in the tree, under the names that it uses.
func TestReleaseFindsItsFiles(t *testing.T) {
	r := readRelease(t)
	names := append([]string{r.Dockers[0].Dockerfile}, r.Archives[0].Files...)
	for _, content := range r.NFPMs[0].Contents {
		names = append(names, content.Src)
	}
	for _, script := range r.NFPMs[0].Scripts {
		names = append(names, script)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil || name == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, want := r.SBOMs[0].Cmd, "../"+made(t, "CYCLONEDX"); got != want {
		t.Errorf("SBOMs are written by %s, and make builds %s, seen from dist", got, want)
	}
	variables := read(t, "internal/command/version.go")
	for _, flags := range r.Builds[0].LDFlags {
		symbol, set := strings.CutPrefix(flags, "-X geogate/internal/command.")
		if name, _, _ := strings.Cut(symbol, "="); set && !regexp.MustCompile(`(?m)^var .*\b`+name+`\b.* string$`).MatchString(variables) {
			t.Errorf("%s sets no variable", flags)
		}
	}
}

// TestPlatforms type-checks the program and its libraries for every system of a release,
// each on another architecture than the one before: geogate has no code for one of them
// alone. `make release-check` builds all.
func TestPlatforms(t *testing.T) {
	build := readRelease(t).Builds[0]
	for i, goos := range build.GoOS {
		goarch := build.GoArch[(i+1)%len(build.GoArch)] // amd64 of Linux is what tests run on
		t.Run(goos+"/"+goarch, func(t *testing.T) {
			found, err := packages.Load(&packages.Config{
				Context: t.Context(),
				Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps |
					packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedModule,
				Dir: geogate.Root,
				Env: append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
			}, ".")
			if err != nil {
				t.Fatal(err)
			}
			own := 0
			packages.Visit(found, nil, func(p *packages.Package) {
				for _, err := range p.Errors {
					t.Errorf("%s: %v", p.PkgPath, err)
				}
				if p.Module != nil && p.Module.Main {
					own++
				}
			})
			if own < 50 {
				t.Errorf("geogate has %d packages: some are not found", own)
			}
		})
	}
}

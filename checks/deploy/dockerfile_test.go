package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// root is the top of the repository.
const root = geogate.Root

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A stage is one FROM of the Dockerfile with the instructions below it.
type stage struct {
	base, name   string
	instructions []string
}

func stages(t *testing.T) []stage {
	t.Helper()
	var list []stage
	joined := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if words := strings.Fields(line); words[0] == "FROM" {
			if len(words) != 4 || words[2] != "AS" {
				t.Fatalf("Dockerfile: %q: want FROM base AS name", line)
			}
			list = append(list, stage{base: words[1], name: words[3]})
			continue
		}
		if len(list) > 0 {
			last := &list[len(list)-1]
			last.instructions = append(last.instructions, line)
		}
	}
	return list
}

func TestDockerfileStages(t *testing.T) {
	list := stages(t)
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	if want := []string{"build", "geogate", "heroku"}; !slices.Equal(names, want) {
		t.Fatalf("stages are %v, want %v; Heroku builds the last one", names, want)
	}
	geogate, heroku := list[1], list[2]
	if geogate.base != "scratch" || heroku.base != "geogate" {
		t.Errorf("geogate is made from %s and heroku from %s, want scratch and geogate", geogate.base, heroku.base)
	}
	for _, want := range []string{
		"USER 65532:65532", // a number: Kubernetes' runAsNonRoot cannot tell what a name means
		`ENTRYPOINT ["/bin/geogate"]`,
		`CMD ["serve"]`,
	} {
		if !slices.Contains(geogate.instructions, want) {
			t.Errorf("stage geogate lacks %s", want)
		}
	}
	for _, want := range []string{
		"COPY --from=busybox:stable-musl /bin/busybox /bin/sh", // Heroku runs every command by it
		"ENTRYPOINT []", // with an entrypoint, Heroku would hand /bin/sh -c to it
		`CMD ["/bin/geogate", "serve"]`,
	} {
		if !slices.Contains(heroku.instructions, want) {
			t.Errorf("stage heroku lacks %s", want)
		}
	}
	for _, s := range list {
		for _, line := range s.instructions {
			if strings.HasPrefix(line, "RUN --") || strings.Contains(line, "--platform") {
				t.Errorf("stage %s: %q needs BuildKit, which Heroku's builder is not", s.name, line)
			}
		}
	}
}

// The compiler of the image is the one that go.mod asks for.
func TestDockerfileGoVersion(t *testing.T) {
	minor := func(file, prefix string) string {
		for line := range strings.Lines(read(t, file)) {
			if v, found := strings.CutPrefix(strings.TrimSpace(line), prefix); found {
				return strings.Join(append(strings.SplitN(v, ".", 3), "", "")[:2], ".")
			}
		}
		t.Fatalf("%s has no line %s…", file, prefix)
		return ""
	}
	image, module := minor("Dockerfile", "ARG GO_VERSION="), minor("go.mod", "go ")
	if image != module {
		t.Errorf("the Dockerfile builds with Go %s, go.mod wants %s", image, module)
	}
}

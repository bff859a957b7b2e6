package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// next is the release that this code is on its way to. A build that knows no tag
// calls itself that, with -dev.
const next = "v0.1.0"

// These are set by the linker, with -X geogate/internal/command.version=…, where
// Go itself cannot know: in images, packages and releases.
var version, commit, date string

type versionCmd struct{}

// Run prints what was built.
func (versionCmd) Run(p *Process) error {
	_, err := fmt.Fprintln(p.Stdout, "geogate", built())
	return err
}

// buildInfo is where a program came from. Empty fields are not known.
type buildInfo struct {
	Version string // a tag, or what git describes the commit as
	Commit  string // 12 digits, with +dirty for what is not committed
	Date    string // of the commit, or of the build where there is none
}

func (b buildInfo) String() string {
	or := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	return fmt.Sprintf("%s (commit %s, %s, %s %s/%s)", b.Version, or(b.Commit, "unknown"), or(b.Date, "date unknown"),
		runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// built is what the linker was told, else what Go noted, else, under go run, what
// git says of the checkout.
var built = sync.OnceValue(func() buildInfo {
	b := buildInfo{Version: version, Commit: shortCommit(commit), Date: date}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.fill(noted(info))
	}
	if b.Commit == "" && isGoRun() {
		b.fill(checkedOut())
	}
	b.fill(buildInfo{Version: next + "-dev"})
	return b
})

// fill takes from other what is not known yet.
func (b *buildInfo) fill(other buildInfo) {
	if b.Version == "" {
		b.Version = other.Version
	}
	if b.Commit == "" {
		b.Commit = other.Commit
	}
	if b.Date == "" {
		b.Date = other.Date
	}
}

// pseudo is what Go makes of a commit without a tag, and repeats it.
var pseudo = regexp.MustCompile(`^\(devel\)$|-(0\.|[\w.]+\.0\.)?\d{14}-[0-9a-f]{12}|\+dirty$`)

// noted reads what go build and go install note in a program.
func noted(info *debug.BuildInfo) buildInfo {
	var b buildInfo
	if !pseudo.MatchString(info.Main.Version) {
		b.Version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = shortCommit(s.Value)
		case s.Key == "vcs.time":
			b.Date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if b.Commit != "" {
		b.Commit += dirty
	}
	return b
}

func shortCommit(hash string) string {
	if len(hash) > 12 && strings.Trim(hash, "0123456789abcdef") == "" {
		return hash[:12]
	}
	return hash
}

// isGoRun reports whether this program was built by go run, which notes no commit,
// and runs where it was built.
func isGoRun() bool {
	path, err := os.Executable()
	return err == nil && strings.Contains(path, string(filepath.Separator)+"go-build") && filepath.Base(filepath.Dir(path)) == "exe"
}

// checkedOut asks git about the folder that this file was compiled from.
func checkedOut() buildInfo {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return buildInfo{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", filepath.Dir(file)}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	hash, when, _ := strings.Cut(git("log", "-1", "--format=%H %cI"), " ")
	if hash == "" {
		return buildInfo{}
	}
	b := buildInfo{Version: git("describe", "--tags", "--dirty"), Commit: shortCommit(hash), Date: when}
	if git("status", "--porcelain") != "" {
		b.Commit += "+dirty"
	}
	return b
}

// buildVersion is the tag, and where there is none the next one with the commit.
func buildVersion() string {
	b := built()
	if b.Version == next+"-dev" && b.Commit != "" {
		return b.Version + "." + strings.TrimSuffix(b.Commit, "+dirty")
	}
	return b.Version
}

// userAgent is what other servers see.
func userAgent() string { return "geogate/" + buildVersion() }

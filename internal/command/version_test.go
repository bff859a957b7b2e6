package command

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestNoted(t *testing.T) {
	const hash = "9e2356898e2caabbccddeeff00112233445566aa"
	setting := func(pairs ...string) (list []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	for _, tt := range []struct {
		name, version string
		settings      []debug.BuildSetting
		want          buildInfo
	}{
		{"go run", "(devel)", nil, buildInfo{}},
		{"go install of a tag", "v1.2.3", nil, buildInfo{Version: "v1.2.3"}},
		{"go build on a tag", "v1.2.3-rc.1", setting("vcs.revision", hash, "vcs.time", "2026-11-21T20:00:00Z", "vcs.modified", "false"),
			buildInfo{"v1.2.3-rc.1", hash[:12], "2026-11-21T20:00:00Z"}},
		{"go build behind a tag", "v1.2.4-0.20261121200000-9e2356898e2c+dirty", setting("vcs.revision", hash, "vcs.time", "2026-11-21T20:00:00Z", "vcs.modified", "true"),
			buildInfo{"", hash[:12] + "+dirty", "2026-11-21T20:00:00Z"}},
		{"go build without tags", "v0.0.0-20261121200000-9e2356898e2c", setting("vcs.revision", hash), buildInfo{Commit: hash[:12]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := noted(&debug.BuildInfo{Main: debug.Module{Version: tt.version}, Settings: tt.settings}); got != tt.want {
				t.Errorf("noted = %+v, want %+v", got, tt.want)
			}
		})
	}
	if got := (buildInfo{Version: "v1.2.3"}).String(); !strings.HasPrefix(got, "v1.2.3 (commit unknown, date unknown, go") {
		t.Errorf("a build that knows nothing but its tag calls itself %q", got)
	}
}

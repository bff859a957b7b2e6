package command

import (
	"fmt"
	"runtime/debug"
)

// version is set by the linker, with -X geogate/internal/command.version. A
// build without it shows its revision.
var version string

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(p *Process) error {
	_, err := fmt.Fprintln(p.Stdout, "geogate", buildVersion())
	return err
}

// buildVersion is the linked version, else the revision that was built.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "dev-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "dev"
}

// userAgent is what other servers see.
func userAgent() string { return "geogate/" + buildVersion() }

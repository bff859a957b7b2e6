// Package deploy checks the deployment files as the tools that read them do.
package deploy

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"geogate/checks/geogate"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads docker-compose.yml as `docker compose config` does, with the given
// variables in the shell.
func load(t *testing.T, shell ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnv(shell),
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
	)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeHardensEveryService(t *testing.T) {
	project := load(t)
	if len(project.Services) != 2 { // those of a profile are left out
		t.Fatalf("services are %v, want geogate and redis", project.ServiceNames())
	}
	for name, s := range project.Services {
		if !s.ReadOnly {
			t.Errorf("%s may write to its root file system", name)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 {
			t.Errorf("%s drops the capabilities %v and adds %v, want ALL and none", name, s.CapDrop, s.CapAdd)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		if s.Privileged || s.NetworkMode == "host" || s.Pid == "host" {
			t.Errorf("%s reaches into the host", name)
		}
		if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
	}
}

func TestComposeGeogate(t *testing.T) {
	project := load(t)
	geogate := project.Services["geogate"]
	if on := geogate.DependsOn["redis"]; on.Condition != types.ServiceConditionHealthy {
		t.Errorf("geogate starts when redis is %q, want %q", on.Condition, types.ServiceConditionHealthy)
	}
	names := []string{}
	for _, s := range stages(t) {
		names = append(names, s.name)
	}
	if geogate.Build == nil || !slices.Contains(names, geogate.Build.Target) {
		t.Errorf("geogate builds %+v, want one of the stages %v", geogate.Build, names)
	}
	// The image has no shell: the check is the binary's own command.
	if want := []string{"CMD", "/bin/geogate", "healthcheck"}; !slices.Equal(geogate.HealthCheck.Test, want) {
		t.Errorf("health check is %v, want %v", geogate.HealthCheck.Test, want)
	}
	for _, p := range geogate.Ports {
		if p.HostIP != "127.0.0.1" || p.Target != 8080 || p.Published != "8080" {
			t.Errorf("port %s:%s:%d, want 127.0.0.1:8080:8080", p.HostIP, p.Published, p.Target)
		}
	}
	if *geogate.Environment["REDIS_URL"] != "redis://redis:6379/0" || *geogate.Environment["PORT"] != "8080" {
		t.Errorf("environment is %v", geogate.Environment)
	}
}

// What Compose decides itself: where geogate listens inside of its container, whom
// it lets in, and where Redis is.
var fixedByCompose = regexp.MustCompile(`^(PORT|REDIS_URL|LISTEN|ANONYMOUS)$`)

// Every variable that geogate reads can be set for the Compose file, too.
func TestComposePassesVariablesOn(t *testing.T) {
	var shell []string
	names := geogate.Variables(t)
	for _, name := range names {
		if !fixedByCompose.MatchString(name) {
			shell = append(shell, name+"=of the shell")
		}
	}
	if len(shell) < 50 {
		t.Fatalf("geogate reads %v: some are not found", names)
	}
	set, unset := load(t, shell...).Services["geogate"].Environment, load(t).Services["geogate"].Environment
	for _, variable := range shell {
		name, value, _ := strings.Cut(variable, "=")
		if got, found := set[name]; !found || got == nil || *got != value {
			t.Errorf("%s of the shell does not reach geogate", name)
		}
		if got := unset[name]; got != nil {
			t.Errorf("%s is %q though the shell has none: the default of geogate is lost", name, *got)
		}
	}
	for name := range set {
		if !slices.Contains(names, name) {
			t.Errorf("%s is passed on, and geogate does not read it", name)
		}
	}
}

// The profile nominatim adds a geocoder that geogate reaches, and nobody else.
func TestComposeNominatim(t *testing.T) {
	project, err := load(t).WithProfiles([]string{"nominatim"})
	if err != nil {
		t.Fatal(err)
	}
	nominatim, found := project.Services["nominatim"]
	if !found || !strings.HasPrefix(nominatim.Image, "mediagis/nominatim:") {
		t.Fatalf("services are %v with the image %q", project.ServiceNames(), nominatim.Image)
	}
	if len(nominatim.Ports) > 0 {
		t.Errorf("nominatim is published at %v", nominatim.Ports)
	}
	shared := false
	for name := range project.Services["geogate"].Networks {
		_, both := nominatim.Networks[name]
		shared = shared || both
	}
	if _, reaches := nominatim.Networks["data"]; !shared || reaches {
		t.Errorf("nominatim is on %v, want one network with geogate, and none with redis", nominatim.Networks)
	}
	if pbf := nominatim.Environment["PBF_URL"]; pbf == nil || !strings.HasSuffix(*pbf, ".osm.pbf") {
		t.Errorf("PBF_URL is %v", pbf)
	}
	if len(nominatim.Volumes) != 1 || nominatim.Volumes[0].Type != types.VolumeTypeVolume {
		t.Errorf("volumes are %+v, want a named one: an import takes long", nominatim.Volumes)
	}
}

func TestComposePort(t *testing.T) {
	if got := load(t, "GEOGATE_PORT=9000").Services["geogate"].Ports[0].Published; got != "9000" {
		t.Errorf("published port is %s, want GEOGATE_PORT", got)
	}
}

// .env holds secrets.
func TestEnvIsIgnored(t *testing.T) {
	for _, name := range []string{".gitignore", ".dockerignore"} {
		lines := strings.Split(read(t, name), "\n")
		if !slices.Contains(lines, ".env") && !slices.Contains(lines, "*") {
			t.Errorf("%s does not name .env", name)
		}
	}
}

func TestComposeRedisKeepsItsData(t *testing.T) {
	project := load(t)
	redis := project.Services["redis"]
	if redis.Image != "redis:7-alpine" {
		t.Errorf("image is %s", redis.Image)
	}
	for option, want := range map[string]string{
		"--appendonly":       "yes",
		"--maxmemory-policy": "noeviction", // anything else may drop a ride
	} {
		if i := slices.Index(redis.Command, option); i < 0 || redis.Command[i+1] != want {
			t.Errorf("redis runs %v, want %s %s", redis.Command, option, want)
		}
	}
	if len(redis.Volumes) != 1 || redis.Volumes[0].Target != "/data" || redis.Volumes[0].Type != types.VolumeTypeVolume {
		t.Errorf("volumes are %+v, want a named one at /data", redis.Volumes)
	}
	if len(redis.Ports) > 0 {
		t.Errorf("redis is published at %+v", redis.Ports)
	}
	for name := range redis.Networks {
		if !project.Networks[name].Internal {
			t.Errorf("redis is on the network %s, which leads outside", name)
		}
	}
}

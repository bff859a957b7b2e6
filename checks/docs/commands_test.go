package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"geogate/checks/geogate"
)

// elsewhere says of each command that a document shows for pasting, by how it begins,
// which test runs it or why none can. A block marked ```console needs no entry: the
// tours of e2e run it as it stands.
var elsewhere = []struct{ command, tested, reason string }{
	// Run by tests, which name the file and the test.
	{"go run . simulate", "e2e/simulate_test.go TestSimulate", ""},
	{"RATE_LIMIT=0 go run .", "e2e/simulate_test.go TestSimulate", ""},
	{"go run .", "e2e/tour_test.go TestTours", ""},
	{"geogate demo", "e2e/demo_test.go TestDemo", ""},
	{"geogate mode", "e2e/mode_test.go TestModeOfTheFleet", ""},
	{"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 geogate", "e2e/tracing_test.go TestTraces", ""},
	{"geogate import ", "e2e/streets_test.go TestStreetsAsDocumented", ""},
	{"UPSTREAMS=streets+file:monaco.streets geogate", "e2e/streets_test.go TestStreetsAsDocumented", ""},
	{"UPSTREAMS=", "internal/command/docs_test.go TestDocumentedUpstreams", ""},
	{"curl -s 'localhost:8080/api?q=25+boulevard", "e2e/streets_test.go TestStreetsAsDocumented", ""},
	{"KEY=$(geogate keys create", "e2e/keys_test.go TestKeysCommand", ""},
	{"geogate keys ", "e2e/keys_test.go TestKeysCommand", ""},
	{"redis-cli --rdb", "e2e/backup_test.go TestBackupAndRestore", ""},
	{"cp backup.rdb dump.rdb", "e2e/backup_test.go TestBackupAndRestore", ""},
	{"redis-server --appendonly no", "e2e/backup_test.go TestBackupAndRestore", ""},
	{"redis-cli config set appendonly yes", "e2e/backup_test.go TestBackupAndRestore", ""},
	{"docker compose up", "checks/deploy/compose_test.go TestComposeGeogate", "no Docker here: the file is read as Compose reads it"},
	{"docker compose --profile nominatim", "checks/deploy/compose_test.go TestComposeNominatim", "no Docker here: the file is read as Compose reads it"},
	{"docker compose exec geogate /bin/geogate doctor", "e2e/command_test.go TestDoctor", "no Docker here"},
	{"make image", "scripts/image-check buildah", "builds on stand-ins for the base images: make image-check"},
	{"cd clients/typescript", "checks/clients/typescript_test.go TestTypeScript", ""},
	{"npm install ./geogate-client", "checks/clients/typescript_test.go TestTypeScript", ""},
	{"go mod edit -require geogate/clients/go", "checks/go.mod replace geogate/clients/go", "the checks use it so"},
	{"apt install ./geogate", "scripts/package-check dpkg --install", "installs on this machine: make package-check"},

	// Run by whoever runs the tests.
	{"make test", ".ci/run make test", ""},
	{"make lint", ".ci/run make lint", ""},
	{"make build", "Makefile build:", "a target of its own, used by others"},
	{"make ci", "Makefile .ci/run", "it is what runs this"},
	{"make bench", "Makefile bench:", "minutes on an otherwise idle machine"},

	// Cannot be run here.
	{"curl -s 'localhost:8080/search?q=25+boulevard", "", "asks the Nominatim of the Compose profile"},
	{"curl -s 'localhost:8080/api?q=", "e2e/tour_test.go TestTours", "the same request as in the tour, after another way to install"},
	{"curl -s \"$(heroku info", "", "needs a Heroku account"},
	{"curl ", "checks/docs/openapi_test.go TestAnswersFitDescription", "made-up hosts and ids; the requests are those of the description"},
	{"heroku ", "checks/deploy/heroku_test.go TestHerokuManifest", "needs a Heroku account: the manifests are read strictly"},
	{"BUILDX_NO_DEFAULT_ATTESTATIONS=1 heroku", "", "needs a Heroku account"},
	{"git push heroku", "", "needs a Heroku account"},
	{"fly ", "", "needs a Fly account"},
	{"apt install caddy", "", "a package of others"},
	{"cp packaging/Caddyfile", "", "Caddy is not on this machine"},
	{"systemctl ", "", "no systemd in a container; scripts/package-check starts what the unit starts"},
	{"journalctl ", "", "no systemd in a container"},
	{"editor ", "", "for people"},
	{"redis-cli config rewrite", "", "the Redis of the test has no configuration file to write"},
}

var (
	fence     = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")
	comment   = regexp.MustCompile(`(?m)(^|\s+)#\s.*$`)
	continued = regexp.MustCompile(`\\\n\s*`)
)

// toured is the source of the tests that run the console blocks of documents.
func toured(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"tour_test.go", "identity_test.go"} {
		source, err := os.ReadFile(filepath.Join(geogate.Root, "e2e", name))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(source)
	}
	return all.String()
}

// Every command of the documents is run by a test, or is listed with the reason why
// it is not.
func TestCommandsAreRun(t *testing.T) {
	tours := toured(t)
	used := map[string]bool{}
	for page, text := range markdown(t) {
		if strings.Contains(page, "/") && !strings.HasPrefix(page, "docs/") || strings.HasPrefix(page, "docs/adr/") {
			continue // for those who read the code
		}
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			if block[1] == "console" && !strings.Contains(tours, `"`+page+`"`) {
				t.Errorf("%s has a block of commands with their output, which no tour of e2e runs", page)
			}
			if block[1] != "sh" {
				continue
			}
			for line := range strings.Lines(comment.ReplaceAllString(continued.ReplaceAllString(block[2], " "), "")) {
				command := strings.TrimSpace(line)
				i := slices.IndexFunc(elsewhere, func(e struct{ command, tested, reason string }) bool { return strings.HasPrefix(command, e.command) })
				switch {
				case command == "":
				case i < 0:
					t.Errorf("%s: nothing runs %q, and no reason is listed", page, command)
				default:
					used[elsewhere[i].command] = true
				}
			}
		}
	}
	for _, e := range elsewhere {
		if !used[e.command] {
			t.Errorf("no document has a command that begins with %q", e.command)
		}
		if e.tested == "" && e.reason == "" {
			t.Errorf("%q is neither run nor is there a reason", e.command)
		}
		if e.tested == "" {
			continue
		}
		file, what, _ := strings.Cut(e.tested, " ")
		if text, err := os.ReadFile(filepath.Join(geogate.Root, file)); err != nil || !strings.Contains(string(text), what) {
			t.Errorf("%q is said to be run by %s: %v", e.command, e.tested, err)
		}
	}
}

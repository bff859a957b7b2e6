package clients

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"geogate/checks/geogate"
)

// orgJSON is the org.json of Android, where Debian's libandroid-json-org-java puts it.
const orgJSON = "/usr/share/java/json-android.jar"

// TestGuideInKotlin compiles the Kotlin of docs/mobile.md as it stands there, and makes a
// ride with it.
func TestGuideInKotlin(t *testing.T) {
	needs(t, "kotlinc", "java", orgJSON)
	dir := t.TempDir()
	write(t, dir, "Town.kt", snippet(t, "kotlin"))
	copyFile(t, filepath.Join("testdata", "guide.kt"), filepath.Join(dir, "Ride.kt"))
	run(t, dir, "kotlinc", "-cp", orgJSON, "-include-runtime", "-d", "ride.jar", "Town.kt", "Ride.kt")
	rideByTheGuide(t, dir, "java", "-cp", "ride.jar:"+orgJSON, "RideKt")
}

// TestGuideInSwift does so with the Swift.
func TestGuideInSwift(t *testing.T) {
	needs(t, "swiftc")
	dir := t.TempDir()
	// Away from Apple's systems, a part of Foundation has a name of its own.
	write(t, dir, "town.swift", "#if canImport(FoundationNetworking)\nimport FoundationNetworking\n#endif\n"+snippet(t, "swift"))
	copyFile(t, filepath.Join("testdata", "guide.swift"), filepath.Join(dir, "main.swift"))
	run(t, dir, "swiftc", "-o", "ride", "town.swift", "main.swift")
	rideByTheGuide(t, dir, filepath.Join(dir, "ride"))
}

// needs skips a test on machines without a program or a file that is not asked of everybody
// who runs the tests.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat(name); err != nil {
				t.Skipf("%s is not on this machine, and make test does not install it", name)
			}
		}
	}
}

// snippet returns the one program of docs/mobile.md in a language.
func snippet(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "mobile.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/mobile.md has %d programs in %s, want one", len(blocks), language)
	}
	return string(blocks[0][1])
}

// rideByTheGuide runs a program with the address of a geogate, which loses one answer of
// four to a POST, and a credential.
func rideByTheGuide(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	geogate.Build(t, dir)
	base := geogate.Start(t, dir, "bin/geogate", "ADMIN_TOKEN=s3cret", "LOG_FORMAT=json", "UPSTREAMS=gazetteer", "DISPATCH_OFFER_TTL=60s")
	const whole = "offered,matched,arrived,started,completed"
	if got := string(bytes.TrimSpace(run(t, dir, name, append(args, badNetwork(t, base), "s3cret")...))); got != whole {
		t.Errorf("the ride was %q, want %q", got, whole)
	}
}

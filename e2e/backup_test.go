package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// TestBackupAndRestore follows docs/deploy.md: it backs up a Redis that is in use,
// loses it with all its data, and lets geogate go on with the restored one.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	before := redistest.Start(t, "--appendonly", "yes")
	g := start(t, settings("REDIS_URL", "redis://"+before.Addr))
	g.post(t, "/tracking", `{"id":"7","lat":47.14,"lng":9.52}`)
	ride := decode[struct {
		RequestID string `json:"request_id"`
		State     string
	}](t, g.post(t, "/v2/search", `{"lat":47.14,"lng":9.52}`), 200)
	if ride.State != "matched" {
		t.Fatalf("the ride is %+v, want it matched", ride)
	}

	dir := t.TempDir()
	backup := filepath.Join(dir, "backup.rdb")
	documented(t, "redis-cli --rdb backup.rdb")
	redisCLI(t, before, "--rdb", backup)
	g.stop(t)
	before.Stop()

	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	documented(t, "cp backup.rdb dump.rdb")
	if err := os.Rename(backup, filepath.Join(data, "dump.rdb")); err != nil {
		t.Fatal(err)
	}
	documented(t, "redis-server --appendonly no")
	after := redistest.Start(t, "--dir", data)
	documented(t, "redis-cli config set appendonly yes")
	redisCLI(t, after, "config", "set", "appendonly", "yes")
	eventually(t, startTimeout, "the append-only file is written", func() error {
		if info := redisCLI(t, after, "info", "persistence"); !strings.Contains(info, "aof_rewrite_in_progress:0") || !strings.Contains(info, "aof_enabled:1") {
			return fmt.Errorf("%s", info)
		}
		return nil
	})

	g = start(t, settings("REDIS_URL", "redis://"+after.Addr))
	got := decode[struct {
		State  string
		Driver struct{ ID string }
	}](t, g.get(t, "/v2/requests/"+ride.RequestID), 200)
	if got.State != "matched" || got.Driver.ID != "7" {
		t.Errorf("after the restore the ride is %+v, want it matched with driver 7", got)
	}
	if a := g.post(t, "/v2/complete", fmt.Sprintf(`{"request_id":%q}`, ride.RequestID)); a.Status != 200 {
		t.Errorf("the restored ride cannot be completed: %s", a)
	}
}

// documented fails when docs/deploy.md does not have the command that a test repeats.
func documented(t *testing.T, command string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), command) {
		t.Errorf("docs/deploy.md does not have %q", command)
	}
}

func redisCLI(t *testing.T, s *redistest.Server, args ...string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "redis-cli", append([]string{"-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return string(out)
}

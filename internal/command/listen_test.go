package command

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"geogate/internal/config"
)

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	cfg := config.Config{Listen: config.Listen{Network: "unix", Address: path}}
	l, err := listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("the socket is %v, %v, want mode %o", info, err, socketMode)
	}
	if other, err := listen(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "LISTEN") {
		t.Errorf("a second one on the same socket: %v, %v", other, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a process that was killed leaves it
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = listen(t.Context(), cfg); err != nil {
		t.Fatalf("in place of a socket that nobody listens on: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), cfg); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, err := os.ReadFile(path); string(text) != "keep" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

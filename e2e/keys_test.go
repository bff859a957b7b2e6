package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// TestKeysCommand issues, lists and revokes a key as docs/identity.md says.
func TestKeysCommand(t *testing.T) {
	t.Parallel()
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ANONYMOUS", "none")
	g := start(t, vars)
	code, stdout, stderr := execute(t, vars, "keys", "create", "--role", "operator", "--subject", "dispatch-office", "--expires", "90d", "--rate", "6000/1m")
	key := strings.TrimSpace(stdout)
	if code != 0 || !strings.HasPrefix(key, "gg_") || strings.ContainsAny(key, " \n") {
		t.Fatalf("keys create: %d, %q, %s: want a key and nothing else on stdout", code, stdout, stderr)
	}
	search := func() int {
		return g.post(t, "/search", `{"lat":47.14,"lng":9.52}`, "Authorization", "Bearer "+key).Status
	}
	if status := search(); status != http.StatusOK {
		t.Errorf("with the key: %d", status)
	}
	code, stdout, stderr = execute(t, vars, "keys", "list")
	id := strings.Split(key, "_")[1]
	if code != 0 || !strings.Contains(stdout, id) || !strings.Contains(stdout, "dispatch-office") || strings.Contains(stdout, key) {
		t.Errorf("keys list: %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := execute(t, vars, "keys", "revoke", id); code != 0 {
		t.Fatalf("keys revoke: %d, %s%s", code, stdout, stderr)
	}
	eventually(t, startTimeout, "the key is refused", func() error {
		if status := search(); status != http.StatusUnauthorized {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
}

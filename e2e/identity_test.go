package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"geogate/internal/redistest"
)

// startProvider runs oidc-provider, as npm installs it, and returns its port.
func startProvider(t *testing.T) (port string) {
	t.Helper()
	dir := npmInstall(t, "openid", "provider.js")
	port = strconv.Itoa(freePort(t))
	cmd := exec.CommandContext(t.Context(), "node", "provider.js", port)
	cmd.Dir = dir
	var output transcript
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, startTimeout, "the provider listens", func() error {
		if !strings.Contains(output.String(), "listening") {
			return errors.New(output.String())
		}
		return nil
	})
	return port
}

// The recipes of the guide work as they stand, with a real OpenID provider.
func TestRecipesOfIdentity(t *testing.T) {
	t.Parallel()
	provider := startProvider(t)
	t.Run("guide", func(t *testing.T) {
		t.Parallel()
		tour(t, "docs/identity.md", env{"localhost:6379": redistest.Start(t).Addr, "localhost:9000": "localhost:" + provider})
	})
	issuer := "http://localhost:" + provider
	for name, claim := range providersOfTheGuide(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, settings("ANONYMOUS", "none", "AUTH_ISSUER", issuer, "AUTH_AUDIENCE", "rides", "AUTH_ROLES_CLAIM", claim))
			credential := []string{"Authorization", "Bearer " + tokenFrom(t, issuer)}
			if a := g.post(t, "/tracking", `{"lat":1,"lng":1}`, credential...); a.Status != http.StatusOK {
				t.Errorf("as driver: %s", a)
			}
			if a := g.post(t, "/tracking", `{"id":"8","lat":1,"lng":1}`, credential...); a.Status != http.StatusForbidden {
				t.Errorf("as another driver: %s, want 403", a)
			}
			if a := g.post(t, "/search", `{"lat":1,"lng":1}`, credential...); a.Status != http.StatusForbidden {
				t.Errorf("as a rider: %s, want 403", a)
			}
		})
	}
}

var providerRow = regexp.MustCompile("(?m)^\\| (\\w+) \\| `http[^|]+\\| [^|]+ \\| `([^`]+)`")

// providersOfTheGuide are the claims that name the role, by provider.
func providersOfTheGuide(t *testing.T) map[string]string {
	t.Helper()
	rows := providerRow.FindAllStringSubmatch(identityGuide(t), -1)
	if len(rows) != 4 {
		t.Fatalf("%d providers in docs/identity.md, want 4: %q", len(rows), rows)
	}
	claims := map[string]string{}
	for _, row := range rows {
		claims[row[1]] = row[2]
	}
	return claims
}

func identityGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "identity.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func tokenFrom(t *testing.T, issuer string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("7", "secret")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := newClient()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error_description"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || strings.Count(answer.AccessToken, ".") != 2 {
		t.Fatalf("the provider answers %d %+v, %v, want a JWT", res.StatusCode, answer, err)
	}
	return answer.AccessToken
}

// The backends of the guide mint tokens that work, in every language.
func TestBackendsOfTheGuideMintTokens(t *testing.T) {
	t.Parallel()
	g := start(t, settings("ANONYMOUS", "none", "ADMIN_TOKEN", "s3cret", "TOKEN_SECRET", "0123456789abcdef0123456789abcdef"))
	page := identityGuide(t)
	for language, command := range map[string][]string{"js": {"node", "mint.mjs"}, "python": {"python3", "mint.py"}, "go": {"go", "run", "mint.go"}} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			_, rest, found := strings.Cut(page, "```"+language+"\n")
			program, _, ended := strings.Cut(rest, "```")
			if !found || !ended {
				t.Fatalf("docs/identity.md has no program in %s", language)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, command[len(command)-1]), []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], "7")...)
			cmd.Dir, cmd.WaitDelay = dir, patience
			cmd.Env = append(os.Environ(), "GEOGATE_URL="+g.URL, "ADMIN_TOKEN=s3cret")
			token, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %v", command, err)
			}
			if a := g.post(t, "/tracking", `{"lat":1,"lng":1}`, "Authorization", "Bearer "+strings.TrimSpace(string(token))); a.Status != http.StatusOK {
				t.Errorf("with the token %q: %s", token, a)
			}
		})
	}
}

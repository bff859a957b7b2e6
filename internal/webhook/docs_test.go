package webhook_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// The receivers of docs/webhooks.md are run as they stand there: each gets a delivery
// of the real sender, and refuses what is forged, old or changed.
func TestReceiversOfTheGuide(t *testing.T) {
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, redistest.Start(t).Client(t), quick())
	for _, row := range []struct {
		language, file string
		command        []string
	}{
		{"go", "main.go", []string{"go", "run", "main.go"}},
		{"js", "receiver.js", []string{"node", "receiver.js"}},
		{"python", "receiver.py", []string{"python3", "-u", "receiver.py"}},
	} {
		t.Run(row.language, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, row.file), snippet(t, string(page), row.language), 0o600); err != nil {
				t.Fatal(err)
			}
			addr := redistest.FreeAddr(t)
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			url := "http://" + addr + "/event"
			s := h.register(t, url)
			out := start(t, dir, row.command, "PORT="+port, "WEBHOOK_SECRET="+s.Secret)
			asynctest.Within(t, 2*time.Minute, "receiver listens", func() bool { // go run compiles first
				conn, err := net.Dial("tcp", addr)
				if err == nil {
					_ = conn.Close()
				}
				return err == nil
			})
			id := h.publish(t, "request.matched", "ride:1", map[string]string{"city": "São Paulo"})
			asynctest.Eventually(t, "delivered", func() bool { return h.subscriber(t, s.ID).Delivered == 1 })
			asynctest.Eventually(t, "taken up", func() bool { return strings.Contains(out.String(), id+` {"type":"request.matched"`) })
			if got := h.subscriber(t, s.ID); got.Failed != 0 {
				t.Errorf("%d attempts failed", got.Failed)
			}

			hook, err := standard.NewWebhook(s.Secret)
			if err != nil {
				t.Fatal(err)
			}
			body, now := []byte(`{"type":"a"}`), time.Now()
			signature := signed(t, hook, now, body)
			wrong, err := standard.NewWebhook("whsec_" + strings.Repeat("A", 44))
			if err != nil {
				t.Fatal(err)
			}
			for _, try := range []struct {
				name      string
				at        time.Time
				signature string
				body      []byte
				status    int
			}{
				{"genuine", now, signature, body, http.StatusNoContent},
				{"one of two signatures", now, "v1,AAAA " + signature, body, http.StatusNoContent},
				{"changed body", now, signature, []byte(`{"type":"b"}`), http.StatusUnauthorized},
				{"other secret", now, signed(t, wrong, now, body), body, http.StatusUnauthorized},
				{"old", now.Add(-time.Hour), signed(t, hook, now.Add(-time.Hour), body), body, http.StatusUnauthorized},
				{"no signature", now, "", body, http.StatusUnauthorized},
			} {
				if got := post(t, url, try.at, try.signature, try.body); got != try.status {
					t.Errorf("%s: status %d, want %d", try.name, got, try.status)
				}
			}
			if err := h.Unregister(t.Context(), s.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

// snippet returns the code block of a language that is a whole program: the longest.
func snippet(t *testing.T, page, language string) []byte {
	t.Helper()
	longest := ""
	for _, part := range strings.Split(page, "```"+language+"\n")[1:] {
		if code, _, found := strings.Cut(part, "```"); found && len(code) > len(longest) {
			longest = code
		}
	}
	if longest == "" {
		t.Fatalf("docs/webhooks.md has no program in %s", language)
	}
	return []byte(longest)
}

// output is what a program has written so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a program, and everything that it starts, until the test ends.
func start(t *testing.T, dir string, command []string, env ...string) *output {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Fatalf("%s is not on the PATH: the guide has a receiver in it", command[0])
	}
	out := &output{}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run starts the program proper
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Errorf("%v: %v", command, err)
		}
		if t.Failed() {
			t.Logf("%v wrote:\n%s", command, out)
		}
	})
	return out
}

func signed(t *testing.T, hook *standard.Webhook, at time.Time, body []byte) string {
	t.Helper()
	signature, err := hook.Sign("evt_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func post(t *testing.T, url string, at time.Time, signature string, body []byte) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", "evt_1")
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	if signature != "" {
		req.Header.Set("webhook-signature", signature)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

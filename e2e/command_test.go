package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"geogate/internal/redistest"
	"geogate/upstream/upstreamtest"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.New(t)
	running := start(t, settings())
	geocoder := "nominatim+" + upstream.URL
	tests := []struct {
		name           string
		vars           env
		args           []string
		code           int
		stdout, stderr []string // must be in it; nil: it is empty
	}{
		{"help", env{}, []string{"--help"}, 0, []string{"doctor", "version", "healthcheck", "REDIS_URL", "UPSTREAMS", "600/1m"}, nil},
		{"help with wrong settings", env{"PORT": "x"}, []string{"--help"}, 0, []string{"PORT"}, nil},
		{"help of a command", env{}, []string{"doctor", "--help"}, 0, []string{"--json"}, nil},
		{"version", env{}, []string{"version"}, 0, []string{"geogate " + linkedVersion + " (commit "}, nil},
		{"version as a flag", env{}, []string{"--version"}, 0, []string{"geogate " + linkedVersion + " (commit "}, nil},
		{"coordinates in the south and west", settings("UPSTREAMS", "gazetteer"), []string{"reverse", "-33.44", "-70.63"}, 0, []string{"Santiago"}, nil},
		{"centre in the south and west", env{}, []string{"simulate", "--centre", "-33.44,-70.63", "http://127.0.0.1:1"}, 1, nil, []string{"nobody answers", "127.0.0.1:1"}},
		{"port that is none", env{}, []string{"--port", "70000"}, 2, nil, []string{"PORT"}},
		{"port and address", env{"LISTEN": "127.0.0.1:0"}, []string{"serve", "--port", "0"}, 2, nil, []string{"LISTEN", "--port"}},
		{"port in use by flag", env{"UPSTREAMS": geocoder}, []string{"--port", port(running)}, 1, nil, []string{"in use", "PORT"}},
		{"doctor of misspelled settings", settings("UPSTREAMS", geocoder, "CACHE_TLL", "1h"), []string{"doctor"}, 0, []string{"CACHE_TLL", "CACHE_TTL"}, nil},
		{"version with wrong settings", env{"PORT": "x"}, []string{"version"}, 0, []string{linkedVersion}, nil},
		{"unknown command", env{}, []string{"dance"}, 2, nil, []string{"dance", "--help"}},
		{"unknown flag", env{}, []string{"--dance"}, 2, nil, []string{"--dance", "--help"}},
		{"superfluous argument", env{}, []string{"version", "x"}, 2, nil, []string{"--help"}},
		{"doctor", settings("UPSTREAMS", geocoder), []string{"doctor"}, 0, []string{"configuration", "built in", "REDIS_URL"}, nil},
		{"doctor of nobody's geocoder", settings(), []string{"doctor"}, 1, []string{"fail", "UPSTREAMS"}, nil},
		{"doctor of wrong settings", env{"CACHE_TTL": "x", "PORT": "x"}, []string{"doctor"}, 1, []string{"CACHE_TTL", "PORT"}, nil},
		{"healthcheck", env{"PORT": port(running)}, []string{"healthcheck"}, 0, nil, nil},
		{"healthcheck of nobody", env{"PORT": "1"}, []string{"healthcheck"}, 1, nil, []string{"geogate: "}},
		{"port in use", env{"PORT": port(running), "UPSTREAMS": geocoder}, nil, 1, nil, []string{"geogate: ", "in use", "set PORT"}},
		{"public server without contact", env{"UPSTREAMS": "nominatim+https://nominatim.openstreetmap.org"}, nil, 2, nil, []string{"UPSTREAM_CONTACT"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := execute(t, tt.vars, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			checkText(t, "stdout", stdout, tt.stdout)
			checkText(t, "stderr", stderr, tt.stderr)
		})
	}
}

func checkText(t *testing.T, what, got string, want []string) {
	t.Helper()
	if len(want) == 0 && got != "" {
		t.Errorf("%s is %q, want nothing", what, got)
	}
	for _, part := range want {
		if !strings.Contains(got, part) {
			t.Errorf("%s is %q, want %q in it", what, got, part)
		}
	}
}

// TestEveryMistakeIsTold sets every variable that has a form to something
// else.
func TestEveryMistakeIsTold(t *testing.T) {
	t.Parallel()
	wrong := env{
		"PORT": "http", "REDIS_URL": "http://localhost", "REDIS_TLS_SKIP_VERIFY": "perhaps", "UPSTREAMS": "nonsense",
		"UPSTREAM_WAIT": "5", "CACHE_TTL": "one day", "CACHE_EMPTY_TTL": "-1s", "CACHE_STALE_TTL": "x", "CACHE_MEMORY": "64 MB of it",
		"RATE_LIMIT": "many", "TRUSTED_PROXIES": "-1", "CORS_ORIGINS": "example",
		"DISPATCH_TIMEOUT": "0s", "DISPATCH_INTERVAL": "x", "DISPATCH_RADII_KM": "5,2,1", "DISPATCH_OFFER_TTL": "x",
		"DISPATCH_MAX_PER_RIDER": "-1", "DISPATCH_MAX_RIDES": "x", "DISPATCH_RETENTION": "x", "DISPATCH_RIDE_TTL": "x",
		"DRIVER_TTL": "0", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml",
	}
	code, stdout, stderr := execute(t, wrong)
	if code != 2 || stdout != "" {
		t.Errorf("exit code %d and stdout %q, want 2 and nothing", code, stdout)
	}
	for name := range wrong {
		told := 0
		for line := range strings.SplitSeq(stderr, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), name+"=") || strings.HasPrefix(strings.TrimSpace(line), name+":") {
				told++
				if !strings.Contains(line, "want ") && !strings.Contains(line, "expected ") && !strings.Contains(line, "such as") {
					t.Errorf("%q does not tell what is expected", line)
				}
			}
		}
		if told == 0 {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if t.Failed() {
		t.Log(stderr)
	}
}

// doctorReport is the output of doctor --json.
type doctorReport struct {
	Findings []struct{ Check, Verdict, Detail, Hint string }
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	upstream := upstreamtest.New(t)
	geocoder := "nominatim+" + upstream.URL
	evicting := redistest.Start(t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
	durable := redistest.Start(t, "--appendonly", "yes")
	stopped := redistest.Start(t)
	stopped.Stop()
	hanging := redistest.Start(t)
	hanging.Pause(t)
	tests := []struct {
		name string
		vars env
		code int
		want map[string]string // check → verdict
	}{
		{"built in", settings("UPSTREAMS", geocoder), 0, map[string]string{"configuration": "ok", "redis": "warn", "upstream nominatim": "ok"}},
		{"durable", settings("UPSTREAMS", geocoder, "REDIS_URL", "redis://"+durable.Addr), 0, map[string]string{
			"configuration": "ok", "redis version": "ok", "redis persistence": "ok", "redis eviction": "ok", "redis TLS": "ok", "clock": "ok", "upstream nominatim": "ok"}},
		{"evicting", settings("UPSTREAMS", geocoder, "REDIS_URL", "redis://"+evicting.Addr), 1, map[string]string{"redis eviction": "fail", "redis persistence": "warn"}},
		{"redis stopped", settings("UPSTREAMS", geocoder, "REDIS_URL", "redis://"+stopped.Addr), 1, map[string]string{"redis": "fail", "upstream nominatim": "ok"}},
		{"redis hanging", settings("UPSTREAMS", geocoder, "REDIS_URL", "redis://"+hanging.Addr), 1, map[string]string{"redis": "fail", "upstream nominatim": "ok"}},
		{"nobody's geocoder", settings("UPSTREAMS", "nominatim+http://127.0.0.1:9#name=own,"+geocoder), 1, map[string]string{"upstream own": "fail", "upstream nominatim": "ok"}},
		{"wrong settings", settings("PORT", "x", "RATE_LIMIT", "x"), 1, map[string]string{"configuration": "fail"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := execute(t, tt.vars, "doctor", "--json")
			if code != tt.code || stderr != "" {
				t.Errorf("exit code %d and stderr %q, want %d and nothing", code, stderr, tt.code)
			}
			var report doctorReport
			if err := json.Unmarshal([]byte(stdout), &report); err != nil {
				t.Fatalf("doctor --json printed %s: %v", stdout, err)
			}
			got := map[string]string{}
			for _, f := range report.Findings {
				got[f.Check] = f.Verdict
				if f.Verdict == "fail" && f.Detail == "" {
					t.Errorf("finding %+v tells no detail", f)
				}
			}
			for check, verdict := range tt.want {
				if got[check] != verdict {
					t.Errorf("%s: %q, want %q in\n%s", check, got[check], verdict, stdout)
				}
			}
			plainCode, plain, _ := execute(t, tt.vars, "doctor")
			if plainCode != code {
				t.Errorf("doctor: exit code %d, with --json %d", plainCode, code)
			}
			for _, f := range report.Findings {
				if !strings.Contains(plain, f.Check) {
					t.Errorf("doctor in plain words says nothing of %s:\n%s", f.Check, plain)
				}
			}
		})
	}
}

// TestBanner checks what the banner says of what is open, and of Redis.
func TestBanner(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	for name, tt := range map[string]struct {
		vars env
		want []string
	}{
		"defaults":   {settings(), []string{"redis built in", "nothing kept on disk", "programs on this machine only", "next set REDIS_URL", "next set ADMIN_TOKEN", "this machine programs on it may do everything", "anybody may do geocode, nearby, ride, drive, bulk, dispatch without"}},
		"all set":    {settings("REDIS_URL", "redis://"+redis.Addr, "ADMIN_TOKEN", "x", "RATE_LIMIT", "7/1m", "ANONYMOUS", "none"), []string{"redis " + redis.Addr, "7.0", "open", "7 requests", "anybody may do nothing without", "keys, ADMIN_TOKEN"}},
		"misspelled": {settings("CACHE_TLL", "1h"), []string{"unknown CACHE_TLL is set", "did you mean CACHE_TTL?"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.vars["LOG_FORMAT"] = "text"
			g := start(t, tt.vars)
			eventually(t, patience, "the banner says so", func() error { // it is read piece by piece
				banner := strings.Join(strings.Fields(g.Stderr.String()), " ")
				for _, want := range tt.want {
					if !strings.Contains(banner, want) {
						return fmt.Errorf("banner is %q, want %q in it", banner, want)
					}
				}
				return nil
			})
		})
	}
}

// A log of JSON is JSON from its first line, the banner included.
func TestBannerInTheLog(t *testing.T) {
	t.Parallel()
	g := start(t, settings("CACHE_TLL", "1h"))
	g.get(t, "/api?q=a")
	g.stop(t)
	var banner struct {
		Message, Redis, Upstreams, Version string
		ListensOn                          string `json:"listens_on"`
		Unknown, Next                      []string
	}
	for i, line := range strings.Split(strings.TrimSpace(g.Stderr.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("line %d is not JSON: %s", i+1, line)
		} else if i == 0 {
			_ = json.Unmarshal([]byte(line), &banner)
		}
	}
	if banner.Message != "started" || banner.ListensOn != "http://localhost:"+port(g) || !strings.Contains(banner.Redis, "built in") ||
		banner.Version != linkedVersion || len(banner.Unknown) != 1 || len(banner.Next) == 0 {
		t.Errorf("banner is %+v", banner)
	}
}

// TestListenOnSocket serves, checks and stops on a Unix socket.
func TestListenOnSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	vars := settings("LISTEN", "unix:"+socket, "ADMIN_TOKEN", "s3cret")
	cmd := exec.Command(binary)
	cmd.Env, cmd.SysProcAttr = vars.list(), dieWithParent()
	var log transcript
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, startTimeout, "healthy on its socket", func() error {
		if code, _, stderr := execute(t, vars, "healthcheck"); code != 0 {
			return errors.New(stderr)
		}
		return nil
	})
	if code, stdout, stderr := execute(t, vars, "keys", "list"); code != 0 {
		t.Errorf("keys list over the socket: %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := execute(t, vars); code != 1 || !strings.Contains(stderr, "in use: set LISTEN") {
		t.Errorf("a second one: %d, %s", code, stderr)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, log.String())
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// TestStartUp measures from the start of the process to its first answer to a
// question. The best of several starts counts: a busy machine is no fault of
// geogate. The race detector is, so the program is built without it.
func TestStartUp(t *testing.T) {
	const bound = time.Second
	plain := filepath.Join(t.TempDir(), "geogate")
	if err := build(plain, false); err != nil {
		t.Fatal(err)
	}
	took, err := bestOf(10, bound, func() (time.Duration, error) { return startUp(t, plain) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("first answer %s after the start", took)
	if took > bound {
		t.Errorf("the first answer took %s, want at most %s", took, bound)
	}
}

func startUp(t *testing.T, program string) (time.Duration, error) {
	t.Helper()
	p := &process{Addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), client: newClient()}
	p.URL = "http://" + p.Addr
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = env{"PORT": port(p)}.list()
	cmd.SysProcAttr = dieWithParent()
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	eventually(t, startTimeout, "the first answer", func() error {
		_, err := p.do(t.Context(), "GET", "/api?q=san+francisco", "")
		return err
	})
	took := time.Since(begin)
	p.client.CloseIdleConnections()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return took, nil
}

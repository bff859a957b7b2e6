package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// startTimeout is what Heroku gives a process to bind its port, and far above
	// what a start takes, even under the race detector on a busy machine.
	startTimeout = time.Minute
	// patience is for whatever else is waited for: tests that are not about time do
	// not fail for it.
	patience = time.Minute
	// stopTimeout is the promise: after SIGTERM a process is gone in 25 s.
	stopTimeout = 25 * time.Second
)

// env is the whole environment of a process, but for PATH and HOME.
type env map[string]string

// settings returns an environment for tests: a free port, no rate limit, a
// geocoder that is not there (loading the built-in one takes longer than most
// tests), everything open but what needs a credential, and the given pairs of names
// and values.
func settings(pairs ...string) env {
	vars := env{"PORT": "0", "RATE_LIMIT": "0", "ANONYMOUS": "all", "UPSTREAMS": "nominatim+http://127.0.0.1:9"}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return vars
}

func (e env) list() []string {
	var list []string
	for _, inherited := range os.Environ() {
		if name, _, _ := strings.Cut(inherited, "="); name == "PATH" || name == "HOME" {
			list = append(list, inherited)
		}
	}
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	return list
}

// process is a running geogate.
type process struct {
	URL  string // http://127.0.0.1:port
	Addr string // 127.0.0.1:port

	Stderr transcript // the banner and the log
	Stdout transcript

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	client *http.Client
}

// start runs geogate with exactly this environment and waits until it is
// ready. When the test ends it is told to stop, and must do so in time and with
// exit code 0, unless the test has ended it.
func start(tb testing.TB, vars env) *process {
	tb.Helper()
	p := launch(tb, vars)
	p.awaitReady(tb)
	return p
}

func (p *process) awaitReady(tb testing.TB) {
	tb.Helper()
	eventually(tb, startTimeout, "geogate is ready", func() error {
		a, err := p.do(tb.Context(), http.MethodGet, "/readyz", "")
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("readyz answers %s", a)
		}
		return err
	})
}

// launch runs geogate and waits for its address only.
func launch(tb testing.TB, vars env) *process {
	tb.Helper()
	return launchUntil(tb, vars, func(p *process) []string { return listensOn.FindStringSubmatch(p.Stderr.String()) })
}

// launchUntil runs a command of geogate until its output has the port.
func launchUntil(tb testing.TB, vars env, port func(*process) []string, args ...string) *process {
	tb.Helper()
	p := &process{
		cmd:    exec.Command(binary, args...),
		exited: make(chan struct{}),
		client: newClient(),
	}
	p.cmd.Env = vars.list()
	p.cmd.Stdout, p.cmd.Stderr = &p.Stdout, &p.Stderr
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		tb.Fatalf("start geogate: %v", err)
	}
	go func() {
		_ = p.cmd.Wait() // the code is in ProcessState
		close(p.exited)
	}()
	tb.Cleanup(func() { p.end(tb) })
	eventually(tb, startTimeout, "geogate says where it listens", func() error {
		match := port(p)
		if match == nil {
			if !p.running() {
				tb.Fatalf("geogate ended: %s\n%s", p.cmd.ProcessState, p.Stderr.String())
			}
			return errors.New("no such line in its banner")
		}
		p.Addr = "127.0.0.1:" + strings.Join(match[1:], "") // one of them is the port
		p.URL = "http://" + p.Addr
		return nil
	})
	return p
}

// newClient returns a client that uses no proxy and follows no redirect.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var listensOn = regexp.MustCompile(`(?m)^ *listens on +http://localhost:(\d+)$|"listens_on":"http://localhost:(\d+)"`)

// dieWithParent keeps a test binary that dies from leaving processes behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// end is the cleanup of launch.
func (p *process) end(tb testing.TB) {
	p.client.CloseIdleConnections()
	if p.running() {
		p.stop(tb)
	}
	if log := p.Stderr.String(); tb.Failed() {
		tb.Logf("stderr of geogate:\n%s", tail(log, 60))
	} else if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panicked") {
		tb.Errorf("geogate raced or panicked:\n%s", tail(log, 100))
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// terminate asks the process to stop, and does not wait.
func (p *process) terminate(tb testing.TB) {
	tb.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Errorf("signal geogate: %v", err)
	}
}

// stop asks the process to stop and checks how it does.
func (p *process) stop(tb testing.TB) {
	tb.Helper()
	p.terminate(tb)
	p.awaitStopped(tb)
}

// awaitStopped waits for the end that terminate has asked for.
func (p *process) awaitStopped(tb testing.TB) {
	tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // shows where it hangs
		select {
		case <-p.exited:
		case <-time.After(time.Second):
			p.kill()
		}
		tb.Errorf("geogate still ran %s after SIGTERM", stopTimeout)
		return
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		tb.Errorf("geogate exited with %d after SIGTERM, want 0", code)
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// execute runs a command of geogate to its end, on nothing but vars.
func execute(tb testing.TB, vars env, args ...string) (code int, stdout, stderr string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = vars.list()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = dieWithParent()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		tb.Fatalf("geogate %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// transcript is what a process has written so far. It is safe for concurrent
// use.
type transcript struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually polls until condition returns nil, and fails the test with its
// last error when the time is over.
func eventually(tb testing.TB, within time.Duration, what string, condition func() error) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("not within %s: %s: %v", within, what, err)
		}
	}
}

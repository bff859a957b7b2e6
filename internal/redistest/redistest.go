// Package redistest runs real redis-server processes for tests: every promise
// that geogate makes about Redis is checked against Redis itself, not against
// an imitation of it. A missing redis-server fails the test that wanted one;
// `make test` installs it on Debian.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"geogate/internal/asynctest"
)

// startTimeout bounds how long a redis-server may take until it answers, on a machine
// that stands still for seconds.
const startTimeout = time.Minute

// Server is one redis-server process on a loopback port of its own. Its
// methods are for the goroutine of the test that started it.
type Server struct {
	Addr string // host:port; stays the same over Stop and Restart

	dir  string
	args []string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// Start runs a redis-server that keeps nothing on disk, with args appended to
// its command line (such as "--maxmemory", "3mb"), and stops it when the test
// ends.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	quiet()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Fatal("redis-server is not on the PATH: run the tests by `make test`, which installs it on Debian")
	}
	s := &Server{Addr: FreeAddr(tb), dir: tb.TempDir(), args: args}
	tb.Cleanup(s.kill)
	s.Restart(tb)
	return s
}

// quiet keeps go-redis from writing a line for each connection that a test has
// taken away on purpose; what matters of it is in the errors that tests check.
var quiet = sync.OnceFunc(logging.Disable)

// Client returns a client of the server, closed when the test ends. adjust may
// change its options.
func (s *Server) Client(tb testing.TB, adjust ...func(*redis.Options)) *redis.Client {
	tb.Helper()
	return ClientAt(tb, s.Addr, adjust...)
}

// ClientAt is Client for whatever listens at an address, such as a proxy in front
// of a server, or nothing.
func ClientAt(tb testing.TB, addr string, adjust ...func(*redis.Options)) *redis.Client {
	tb.Helper()
	quiet()
	options := redis.Options{Addr: addr, ContextTimeoutEnabled: true, DisableIdentity: true}
	for _, change := range adjust {
		change(&options)
	}
	client := redis.NewClient(&options)
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Impatient gives a silent server up soon, and repeats nothing.
func Impatient(o *redis.Options) {
	o.ReadTimeout, o.MaxRetries = 100*time.Millisecond, -1
}

// DialOnce lets a client give up when a server that is gone refuses, as the program's do.
func DialOnce(o *redis.Options) { o.DialerRetries = 1 }

// Stop ends the process at once, as a crash would. What a server without
// persistence held is gone.
func (s *Server) Stop() { s.kill() }

// Restart starts the process again on the same port after Stop.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	args := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no",
	}, s.args...)
	s.log.Reset()
	s.cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), "redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = asynctest.Child()
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("start redis-server: %v", err)
	}
	if err := s.awaitReady(); err != nil {
		s.kill()
		tb.Fatalf("redis-server %v: %v\n%s", args, err, s.log.String())
	}
}

func (s *Server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := eventually(ctx, func() error { return s.ping(ctx) }); err != nil {
		return fmt.Errorf("no answer within %s: %w", startTimeout, err)
	}
	return nil
}

// eventually asks until condition returns nil, and returns its last error when ctx
// ends before.
func eventually(ctx context.Context, condition func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// ping asks once, on a connection of its own and not for long: whoever answers
// at the port without being Redis must not hold up the test.
func (s *Server) ping(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
	})
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return client.Ping(ctx).Err()
}

// The range of FreeAddr lies below the ports that Linux gives to outgoing
// connections: one of those could take the port before its server does, and a
// client that dials a port in that range can even end up connected to itself. A
// node of a cluster takes the port 10,000 above its own as well.
const (
	firstPort = 10_000
	lastPort  = 22_000
)

// FreeAddr returns a loopback address for a server that cannot pick its port itself.
// Nothing listened there a moment ago, and it belongs to the test until that ends: no
// other test gets it, also while its server is stopped.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort))
		// In the abstract namespace a name is of whoever listens there, and leaves nothing
		// behind when a process dies.
		claim, err := (&net.ListenConfig{}).Listen(tb.Context(), "unix", "@geogate-test-port-"+port)
		if err != nil {
			continue // another test's
		}
		addr := net.JoinHostPort("127.0.0.1", port)
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", addr)
		if err != nil {
			_ = claim.Close()
			continue // taken
		}
		tb.Cleanup(func() { _ = claim.Close() })
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		return addr
	}
	tb.Fatal("no free port among a hundred")
	return ""
}

// Package contender runs the programs that the benchmarks compare: geogate,
// nginx, Varnish, and the Redis behind geogate. All of them listen on loopback
// only, keep their files in one folder, and end with the process that started
// them.
package contender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"geogate/bench/machine"
)

// A Command makes the command line of a server that is to listen on addr and
// to ask origin. Its files go into dir.
type Command func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error)

// A Contender is one running server.
type Contender struct {
	Name string
	Addr string
	cmd  *exec.Cmd
}

// Start runs command and returns when it answers target with 200, twice, so
// that target is cached from then on. Stop it after use.
func Start(ctx context.Context, name string, command Command, dir, origin, target string) (*Contender, error) {
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	c := &Contender{Name: name, Addr: addr}
	if c.cmd, err = command(ctx, dir, addr, origin); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	var output bytes.Buffer
	if c.cmd.Stderr == nil {
		c.cmd.Stderr = &output
	}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	for range 2 {
		if err := machine.AwaitOK(ctx, "http://"+addr+target); err != nil {
			c.Stop()
			return nil, fmt.Errorf("start %s: %w\n%s", name, err, output.String())
		}
	}
	return c, nil
}

// Stop ends the server and waits for that.
func (c *Contender) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// ProcessorTime is what the server and its children have used so far.
func (c *Contender) ProcessorTime() (time.Duration, error) {
	return machine.ProcessorTime(c.cmd.Process.Pid)
}

// Geogate is geogate with one Nominatim behind it and a log file, without a
// limit that the load would reach. environment comes on top.
func Geogate(binary, redisAddr string, environment ...string) Command {
	return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		logFile, err := os.Create(filepath.Join(dir, "geogate-"+port+".log"))
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, binary)
		cmd.Env = append([]string{
			"ANONYMOUS=all",
			"PORT=" + port, "UPSTREAMS=nominatim+http://" + origin, "REDIS_URL=redis://" + redisAddr,
			"RATE_LIMIT=1000000000/1m",
		}, environment...)
		cmd.Stderr = logFile
		return cmd, nil
	}
}

// Nginx is one worker with a cache and an access log, whose lines it gathers as
// geogate does. directives go where the cache is set up.
func Nginx(directives string) Command {
	return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
		dir, err := os.MkdirTemp(dir, "nginx")
		if err != nil {
			return nil, err
		}
		config := fmt.Sprintf(`
worker_processes 1; daemon off; user root; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log %[1]s/access.log combined buffer=32k flush=100ms;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  proxy_cache_path %[1]s/cache keys_zone=c:64m;
  keepalive_requests 100000000;
  server {
    listen %[2]s;
    location / { proxy_pass http://%[3]s; proxy_cache c; add_header X-Cache $upstream_cache_status; %[4]s }
  }
}`, dir, addr, origin, directives)
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, "nginx", "-c", file, "-e", filepath.Join(dir, "error.log")), nil
	}
}

// Varnish is Varnish with its usual settings and the given subroutines.
func Varnish(subroutines string) Command {
	return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
		dir, err := os.MkdirTemp(dir, "varnish")
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, err
		}
		host, port, err := net.SplitHostPort(origin)
		if err != nil {
			return nil, err
		}
		vcl := fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n%s\n", host, port, subroutines)
		file := filepath.Join(dir, "default.vcl")
		if err := os.WriteFile(file, []byte(vcl), 0o644); err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, "varnishd", "-F", "-n", filepath.Join(dir, "work"),
			"-a", addr, "-f", file, "-s", "malloc,64m"), nil
	}
}

// Answer is one of 1.5 kB, as a search with address details has.
func Answer() []byte {
	return []byte(`[{"place_id":1,"display_name":"` + strings.Repeat("Vaduz, Liechtenstein ", 70)[:1460] + `"}]`)
}

// StartOrigin runs the geocoder behind every cache: it gives the same Answer to all.
func StartOrigin(ctx context.Context) (addr string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	answer := Answer()
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(answer)
	})}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), func() { _ = server.Close() }, nil
}

// OnCore keeps a server on one core of the machine.
func OnCore(core string, command Command) Command {
	return func(ctx context.Context, dir, addr, origin string) (*exec.Cmd, error) {
		cmd, err := command(ctx, dir, addr, origin)
		if err != nil {
			return nil, err
		}
		pinned := exec.CommandContext(ctx, "taskset", append([]string{"-c", core}, cmd.Args...)...)
		pinned.Env, pinned.Stderr = cmd.Env, cmd.Stderr
		return pinned, nil
	}
}

// Folder makes a folder for Start which every user may read; remove it after
// use.
func Folder() (string, error) {
	dir, err := os.MkdirTemp("", "geogate-bench")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", fmt.Errorf("open folder: %w", err)
	}
	return dir, nil
}

// StartRedis runs a redis-server that keeps nothing on disk.
func StartRedis(ctx context.Context, dir, core string) (addr string, stop func(), err error) {
	if addr, err = FreeAddr(ctx); err != nil {
		return "", nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", core, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start redis-server: %w", err)
	}
	return addr, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// FreeAddr finds a port on loopback that nobody listens on. It is below those that Linux
// gives away (32768 to 60999), or somebody could have it before the server is there.
func FreeAddr(ctx context.Context) (addr string, err error) {
	for range 100 {
		addr = fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err == nil {
			_ = l.Close()
			return addr, nil
		}
	}
	return "", fmt.Errorf("find a port: %w", err)
}

// Machine describes the machine and the programs of this package.
func Machine(ctx context.Context) string {
	return machine.Describe(ctx, []string{"nginx", "-v"}, []string{"varnishd", "-V"}, []string{"redis-server", "--version"})
}

// Serve answers on addr until ctx ends.
func Serve(ctx context.Context, addr string, handler http.Handler) error {
	server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second, Handler: handler}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/bench/contender"
	"geogate/bench/machine"
)

// house holds the processes of one measurement.
type house struct {
	dir  string
	ends []func()
	pids map[string]int // of each process, by the address it serves
}

func newHouse() (*house, error) {
	dir, err := contender.Folder()
	if err != nil {
		return nil, err
	}
	return &house{dir: dir, pids: make(map[string]int)}, nil
}

func (h *house) close() {
	for _, end := range slices.Backward(h.ends) {
		end()
	}
	_ = os.RemoveAll(h.dir)
}

// redis starts a server that keeps nothing on disk and returns a client of it.
func (h *house) redis(ctx context.Context) (*redis.Client, error) {
	addr, err := contender.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	if err := h.start(ctx, addr, loadCore, nil, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", h.dir); err != nil {
		return nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true, DialTimeout: 10 * time.Second})
	h.ends = append(h.ends, func() { _ = client.Close() })
	return client, machine.Await(ctx, func(ctx context.Context) error { return client.Ping(ctx).Err() })
}

// gate starts a geogate on a Redis, on the server's core, and returns its URL.
func (h *house) gate(ctx context.Context, binary, addr string) (string, error) {
	own, err := contender.FreeAddr(ctx)
	if err != nil {
		return "", err
	}
	_, port, _ := strings.Cut(own, ":")
	env := []string{
		"ANONYMOUS=all", "PORT=" + port, "REDIS_URL=redis://" + addr, "UPSTREAMS=nominatim+http://127.0.0.1:9", "GOMAXPROCS=1",
		"RATE_LIMIT=0", "DRIVER_TTL=1h", "DISPATCH_TIMEOUT=1h", "DISPATCH_MAX_DRIVERS=2000000", "LOG_LEVEL=error",
		"MAX_STREAMS_PER_CLIENT=2048", // all clients are one address
	}
	if err := h.start(ctx, own, serverCore, env, binary); err != nil {
		return "", err
	}
	return "http://" + own, machine.AwaitOK(ctx, "http://"+own+"/readyz")
}

// pair starts a Redis and a geogate in front of it, and returns a client of the one
// and the URL of the other.
func (h *house) pair(ctx context.Context, binary string) (*redis.Client, string, error) {
	rdb, err := h.redis(ctx)
	if err != nil {
		return nil, "", err
	}
	url, err := h.gate(ctx, binary, rdb.Options().Addr)
	return rdb, url, err
}

// handler starts the plain handler on a Redis, or without one, likewise.
func (h *house) handler(ctx context.Context, addr string) (string, error) {
	own, err := contender.FreeAddr(ctx)
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if err := h.start(ctx, own, serverCore, []string{"GOMAXPROCS=1"}, self, "-plain", own, "-redis", addr); err != nil {
		return "", err
	}
	return "http://" + own, machine.AwaitOK(ctx, "http://"+own+"/healthz")
}

// start runs a program that serves an address on a core, until the house closes.
func (h *house) start(ctx context.Context, addr, core string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", core}, args...)...)
	if env != nil {
		cmd.Env = env
	}
	var output bytes.Buffer
	cmd.Stderr = &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	h.pids[addr] = cmd.Process.Pid // taskset becomes the program
	h.ends = append(h.ends, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n%.2000s\n", args[0], err, output.String())
		}
	})
	return nil
}

// worked is how much processor time the process that serves an address has used.
func (h *house) worked(addr string) (time.Duration, error) {
	return machine.ProcessorTime(h.pids[addr])
}

// bothWorked is that of a server and of its Redis. What has no address has not worked.
func (h *house) bothWorked(server, redis string) (ofServer, ofRedis time.Duration, err error) {
	if server != "" {
		if ofServer, err = h.worked(server); err != nil {
			return 0, 0, err
		}
	}
	if redis != "" {
		ofRedis, err = h.worked(redis)
	}
	return ofServer, ofRedis, err
}

// workedAll is how much all of them have used together.
func (h *house) workedAll() (all time.Duration, err error) {
	for addr := range h.pids {
		used, err := h.worked(addr)
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}

// usedMemory is what Redis has allocated, in bytes, without the region's stream of
// events, which has a bound of its own.
func usedMemory(ctx context.Context, rdb *redis.Client) (float64, error) {
	if err := rdb.Del(ctx, "geogate:{default}:events").Err(); err != nil {
		return 0, fmt.Errorf("drop events: %w", err)
	}
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	line, _, _ := strings.Cut(rest, "\r")
	bytes, err := strconv.ParseFloat(line, 64)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return bytes, nil
}

package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

// MasterName is what sentinels of StartSentinels call their primary.
const MasterName = "primary"

// sentinels agree by majority, so that one of them may be wrong or gone.
const sentinelCount = 3

// Sentinels watch a primary with one replica, and promote the replica when the
// primary is gone.
type Sentinels struct {
	Primary, Replica *Server
	Addrs            []string // of the sentinels
}

// StartSentinels starts two servers that keep nothing on disk, and three sentinels
// that watch them, and stops all when the test ends. The sentinels know one another
// and the replica when it returns.
func StartSentinels(tb testing.TB) *Sentinels {
	tb.Helper()
	s := &Sentinels{Primary: Start(tb)}
	host, port, err := net.SplitHostPort(s.Primary.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	s.Replica = Start(tb, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	for range sentinelCount {
		s.Addrs = append(s.Addrs, startSentinel(tb, host, port))
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	for _, addr := range s.Addrs {
		client := redis.NewSentinelClient(&redis.Options{Addr: addr, DisableIdentity: true})
		err := eventually(ctx, func() error { return knowsAll(ctx, client) })
		_ = client.Close()
		if err != nil {
			tb.Fatalf("sentinel %s: %v", addr, err)
		}
	}
	return s
}

// LosePrimary stops the primary. The sentinels notice within a second or two, and not
// before: until now a machine that stood still was not to pass for a lost primary.
func (s *Sentinels) LosePrimary(tb testing.TB) {
	tb.Helper()
	for _, addr := range s.Addrs {
		client := redis.NewSentinelClient(&redis.Options{Addr: addr, DisableIdentity: true})
		err := client.Set(tb.Context(), MasterName, "down-after-milliseconds", "1000").Err()
		_ = client.Close()
		if err != nil {
			tb.Fatalf("sentinel %s: %v", addr, err)
		}
	}
	s.Primary.Stop()
}

// knowsAll returns nil when a sentinel has found the others and a replica in sync.
func knowsAll(ctx context.Context, client *redis.SentinelClient) error {
	master, err := client.Master(ctx, MasterName).Result()
	if err != nil {
		return err
	}
	replicas, err := client.Replicas(ctx, MasterName).Result()
	if err != nil {
		return err
	}
	if master["num-other-sentinels"] != fmt.Sprint(sentinelCount-1) || len(replicas) != 1 || replicas[0]["master-link-status"] != "ok" {
		return fmt.Errorf("knows %s others and the replicas %v", master["num-other-sentinels"], replicas)
	}
	return nil
}

func startSentinel(tb testing.TB, host, port string) (addr string) {
	tb.Helper()
	s := &Server{Addr: FreeAddr(tb), dir: tb.TempDir()}
	_, own, err := net.SplitHostPort(s.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(s.dir, "sentinel.conf") // a sentinel writes into it
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\nsentinel down-after-milliseconds %s 60000\nsentinel failover-timeout %s 5000\n",
		own, s.dir, MasterName, host, port, MasterName, MasterName)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), "redis-server", file, "--sentinel")
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = asynctest.Child()
	tb.Cleanup(s.kill)
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("start sentinel: %v", err)
	}
	if err := s.awaitReady(); err != nil {
		s.kill()
		tb.Fatalf("sentinel: %v\n%s", err, s.log.String())
	}
	return s.Addr
}

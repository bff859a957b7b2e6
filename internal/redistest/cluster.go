package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	clusterNodes = 3
	clusterSlots = 16384
	// clusterTimeout bounds how long the nodes may take until all of them
	// agree that the cluster is whole.
	clusterTimeout = time.Minute
	// Nodes that look for one another often are soon whole. After that they must
	// not take a machine that stands still for the death of the others.
	joiningTimeout, calmTimeout = "1000", "15000" // ms
)

// Cluster is a Redis Cluster of three masters without replicas. A node that is
// stopped takes its third of the keys with it; the others go on serving
// theirs.
type Cluster struct{ Nodes []*Server }

// StartCluster starts a cluster that keeps no data on disk, with args appended
// to the command line of each node, and stops it when the test ends. All slots
// are served when it returns.
func StartCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	c := &Cluster{}
	for range clusterNodes {
		_, busPort, err := net.SplitHostPort(FreeAddr(tb))
		if err != nil {
			tb.Fatal(err)
		}
		c.Nodes = append(c.Nodes, Start(tb, append([]string{
			"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-port", busPort, "--cluster-node-timeout", joiningTimeout,
			"--cluster-require-full-coverage", "no",
		}, args...)...))
	}
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	if err := c.join(ctx, tb); err != nil {
		tb.Fatalf("join redis cluster: %v", err)
	}
	c.AwaitWhole(tb)
	return c
}

// Client returns a client of the cluster, closed when the test ends.
func (c *Cluster) Client(tb testing.TB) *redis.ClusterClient {
	tb.Helper()
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                 addrs,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
	})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Owner returns the node that serves key.
func (c *Cluster) Owner(tb testing.TB, key string) *Server {
	tb.Helper()
	client := c.Client(tb)
	node, err := client.MasterForKey(context.Background(), key)
	if err != nil {
		tb.Fatalf("find the node of %q: %v", key, err)
	}
	for _, n := range c.Nodes {
		if n.Addr == node.Options().Addr {
			return n
		}
	}
	tb.Fatalf("the node of %q is at %s, which is none of the cluster's", key, node.Options().Addr)
	return nil
}

// AwaitWhole returns when every node sees all nodes and all slots served, as
// after the restart of one.
func (c *Cluster) AwaitWhole(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	clients := make([]*redis.Client, len(c.Nodes))
	for i, n := range c.Nodes {
		clients[i] = n.Client(tb)
	}
	for {
		err := whole(ctx, clients)
		if err == nil {
			calm(ctx, tb, clients)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("redis cluster not whole within %s: %v", clusterTimeout, err)
		}
	}
}

func calm(ctx context.Context, tb testing.TB, clients []*redis.Client) {
	tb.Helper()
	for _, client := range clients {
		if err := client.ConfigSet(ctx, "cluster-node-timeout", calmTimeout).Err(); err != nil {
			tb.Fatalf("set cluster-node-timeout: %v", err)
		}
	}
}

// join shares the slots out and introduces the nodes to each other.
func (c *Cluster) join(ctx context.Context, tb testing.TB) error {
	tb.Helper()
	for i, n := range c.Nodes {
		client := n.Client(tb)
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		if err := client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return fmt.Errorf("add slots %d to %d: %w", first, last, err)
		}
		// Distinct from the start, so that the nodes need not settle it. Each
		// takes its number only as long as it knows no other node.
		if err := client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return fmt.Errorf("set config epoch: %w", err)
		}
	}
	for i, n := range c.Nodes {
		client := n.Client(tb)
		for _, other := range c.Nodes[i+1:] {
			host, port, err := net.SplitHostPort(other.Addr)
			if err != nil {
				return err
			}
			if err := client.Do(ctx, "cluster", "meet", host, port, other.busPort()).Err(); err != nil {
				return fmt.Errorf("meet: %w", err)
			}
		}
	}
	return nil
}

// busPort returns what StartCluster gave as --cluster-port.
func (s *Server) busPort() string {
	for i, a := range s.args {
		if a == "--cluster-port" {
			return s.args[i+1]
		}
	}
	return ""
}

func whole(ctx context.Context, clients []*redis.Client) error {
	for _, client := range clients {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		fields := map[string]string{}
		for line := range strings.Lines(info) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				fields[name] = value
			}
		}
		for name, want := range map[string]string{
			"cluster_state":       "ok",
			"cluster_known_nodes": strconv.Itoa(clusterNodes),
			"cluster_slots_ok":    strconv.Itoa(clusterSlots),
		} {
			if fields[name] != want {
				return errors.New(name + " is " + fields[name] + ", want " + want)
			}
		}
	}
	return nil
}

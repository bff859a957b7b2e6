package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/asynctest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

func newClient(t *testing.T) (*Server, *redis.Client) {
	t.Helper()
	server := New()
	client := server.Client(redis.Options{DisableIdentity: true})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
		server.Close()
	})
	return server, client
}

// A bare net.Pipe hangs on this: the server blocks writing replies that nobody
// reads while the client blocks writing commands that nobody reads.
func TestLongPipelineDoesNotDeadlock(t *testing.T) {
	_, client := newClient(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	value := strings.Repeat("x", 500)
	cmds, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 10_000 {
			key := fmt.Sprint(i)
			p.Set(ctx, key, value, 0)
			p.Get(ctx, key)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("pipeline: %v", err)
	}
	if got := cmds[len(cmds)-1].(*redis.StringCmd).Val(); got != value {
		t.Errorf("last reply = %q, want the value written", got)
	}
}

func TestKeysExpireWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := New()
		client := server.Client(redis.Options{DisableIdentity: true, PoolSize: 1})
		defer server.Close()
		defer func() { _ = client.Close() }()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- server.Run(ctx) }()

		if err := client.Set(ctx, "k", "v", 10*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		<-time.After(9 * time.Second)
		if err := client.Get(ctx, "k").Err(); err != nil {
			t.Errorf("before its TTL: %v, want the value", err)
		}
		<-time.After(3 * time.Second)
		if err := client.Get(ctx, "k").Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("after its TTL: %v, want redis.Nil", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestWriteAfterCloseFails(t *testing.T) {
	server := New()
	defer server.Close()
	conn, err := server.Dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("PING\r\n")); err == nil {
		t.Error("Write after Close = nil, want an error")
	}
}

//go:build unix

package arrival_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"geogate/internal/arrival"
)

func TestOnlyWhoHasAskedIsKeptAlive(t *testing.T) {
	plain, err := (&net.ListenConfig{KeepAlive: -1}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, server := connectTo(t, plain)
	if kept := isKeptAlive(t, server); kept {
		t.Error("a connection that has asked nothing is kept alive")
	}
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := server.Await(time.Minute); err != nil {
		t.Fatal(err)
	}
	if kept := isKeptAlive(t, server); !kept {
		t.Error("a connection that has asked something is not kept alive")
	}
}

func isKeptAlive(t *testing.T, c *arrival.Conn) bool {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var on int
	if e := raw.Control(func(fd uintptr) { on, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return on != 0
}

package arrival_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"geogate/internal/arrival"
)

// connect returns both ends of a connection.
func connect(t *testing.T) (client *net.TCPConn, server *arrival.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return connectTo(t, plain)
}

// connectTo returns both ends of a connection to a listener, and closes that.
func connectTo(t *testing.T, plain net.Listener) (client *net.TCPConn, server *arrival.Conn) {
	t.Helper()
	l := arrival.Listen(plain)
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return c.(*net.TCPConn), s.(*arrival.Conn)
}

func TestWhatIsSentIsReadOnce(t *testing.T) {
	for name, sent := range map[string]string{
		"a request":                "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"bare line feeds":          "GET / HTTP/1.1\nHost: x\n\n",
		"a request with a body":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
		"two requests":             strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2),
		"HTTP/1.0":                 "GET / HTTP/1.0\r\n",
		"HTTP/2":                   "PRI * HTTP/2.0\r\n",
		"a line that is none":      "EHLO example.org\r\n",
		"a line without an end":    strings.Repeat("a", 600),
		"a long head":              "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 2000) + "\r\n\r\n",
		"an unfinished long head":  "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 2000),
		"a head of the whole room": "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 512-32) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			client, server := connect(t)
			if _, err := io.Copy(client, iotest.OneByteReader(strings.NewReader(sent))); err != nil {
				t.Fatal(err)
			}
			// The client does not close: what came is enough.
			if err := server.Await(time.Minute); err != nil {
				t.Fatalf("Await = %v, want nil", err)
			}
			read := make([]byte, len(sent))
			if _, err := io.ReadFull(iotest.OneByteReader(server), read); err != nil || !bytes.Equal(read, []byte(sent)) {
				t.Errorf("read %q, %v, want %q", read, err, sent)
			}
		})
	}
}

func TestUnfinishedHeadThatEndsIsPassedOn(t *testing.T) {
	client, server := connect(t)
	const half = "GET / HTTP/1.1\r\nHo"
	_, _ = io.WriteString(client, half)
	_ = client.CloseWrite()
	if err := server.Await(time.Minute); err != nil {
		t.Fatal(err)
	}
	if read, err := io.ReadAll(server); err != nil || string(read) != half {
		t.Errorf("read %q, %v, want %q", read, err, half)
	}
}

func TestNobodyIsWaitedForForEver(t *testing.T) {
	for name, sent := range map[string]string{"nothing": "", "half a line": "GET / HT", "half a head": "GET / HTTP/1.1\r\nHost: x\r\n"} {
		t.Run(name, func(t *testing.T) {
			client, server := connect(t)
			_, _ = io.WriteString(client, sent)
			if err := server.Await(20 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Await = %v, want that the time is over", err)
			}
		})
	}
}

func TestWaitEndsWithTheConnection(t *testing.T) {
	client, server := connect(t)
	_ = client.Close()
	if err := server.Await(time.Minute); !errors.Is(err, io.EOF) {
		t.Errorf("Await = %v after the client went, want EOF", err)
	}
	_, server = connect(t)
	go func() { _ = server.Close() }()
	if err := server.Await(time.Minute); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Await = %v after Close, want that it is closed", err)
	}
}

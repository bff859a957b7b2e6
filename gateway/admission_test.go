package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// Connections on which nothing was asked take less than half of what net/http takes.
func TestSilentConnectionsCostLittle(t *testing.T) {
	asked := costEach(t, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
	for name, half := range map[string]string{"idle": "", "half a request": "GET /version HTTP/1.1\r\nHo"} {
		if each := costEach(t, half); each > asked/2 {
			t.Errorf("%s: each connection takes %d bytes, and %d after a request", name, each, asked)
		}
	}
}

// costEach is what each of many connections takes on which something was sent, both
// ends together, in bytes.
func costEach(t *testing.T, sent string) int64 {
	t.Helper()
	const n = 400
	_, addr := serve(t)
	before := held()
	for range n {
		c := dialFrom(t, "127.0.0.2", addr)
		_, _ = io.WriteString(c, sent)
		if strings.HasSuffix(sent, "\r\n\r\n") {
			_, _ = c.Read(make([]byte, 1))
		}
	}
	// They are accepted in the order in which they came.
	if got := ask(t, dialFrom(t, "127.0.0.3", addr), "/version"); got != 200 {
		t.Fatalf("GET /version = %d, want 200", got)
	}
	return (held() - before) / n
}

// held is what is in use of the heap and of stacks, in bytes.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// Nobody has to wait for those who say nothing when the server stops.
func TestSilentConnectionsDoNotHoldUpTheEnd(t *testing.T) {
	var took time.Duration
	for range 3 { // the machine may have stood still
		f := gatewaytest.New(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- f.Gateway.Serve(ctx, l) }()
		silent := dialFrom(t, "127.0.0.2", l.Addr().String())
		if got := ask(t, dialFrom(t, "127.0.0.2", l.Addr().String()), "/version"); got != 200 {
			t.Fatalf("GET /version = %d, want 200", got)
		}
		began := time.Now()
		stop()
		if err := <-served; err != nil {
			t.Fatalf("Serve: %v, want a clean end", err)
		}
		_ = silent.SetReadDeadline(began.Add(time.Minute))
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the silent connection: %v, want it closed", err)
		}
		if took = time.Since(began); took < gateway.ReadHeaderTimeout/2 {
			return
		}
	}
	t.Errorf("it took %s to stop, want far less than a request may take to come", took)
}

package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
)

// net/http, whose buffers and stacks are what a connection takes, knows nothing of those
// on which nothing was asked.
func TestSilentConnectionsCostLittle(t *testing.T) {
	const n = 400
	for name, half := range map[string]string{"idle": "", "half a request": "GET /version HTTP/1.1\r\nHo"} {
		t.Run(name, func(t *testing.T) {
			_, addr := serve(t)
			before := served()
			for range n {
				_, _ = io.WriteString(dialFrom(t, "127.0.0.2", addr), half)
			}
			// They are accepted in the order in which they came.
			if got := ask(t, dialFrom(t, "127.0.0.3", addr), "/version"); got != 200 {
				t.Fatalf("GET /version = %d, want 200", got)
			}
			if more := served() - before; more > n/10 {
				t.Errorf("net/http serves %d more connections, and one has asked something", more)
			}
		})
	}
}

// served is how many connections net/http serves in this process.
func served() (n int) {
	stacks := make([]byte, 1<<20)
	for size := runtime.Stack(stacks, true); size == len(stacks); size = runtime.Stack(stacks, true) {
		stacks = make([]byte, 2*len(stacks))
	}
	return bytes.Count(stacks, []byte("created by net/http.(*Server).Serve "))
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

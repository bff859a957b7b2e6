package faultproxy

import (
	"io"
	"net"
	"testing"
)

func TestProxyLosesTheReplyAndNotTheRequest(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	got := make(chan string, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 4)
			if _, err := io.ReadFull(conn, request); err == nil {
				got <- string(request)
				_, _ = conn.Write([]byte("pong"))
			}
			_ = conn.Close()
		}
	}()
	p := New(t, listener.Addr().String(), 0, 1)
	ask := func() (string, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 4)
		_, err = io.ReadFull(conn, answer)
		return string(answer), err
	}
	if answer, err := ask(); err != nil || answer != "pong" || <-got != "ping" {
		t.Errorf("through the proxy: %q, %v", answer, err)
	}
	p.LoseNext()
	if answer, err := ask(); err == nil {
		t.Errorf("a lost reply arrived: %q", answer)
	}
	if <-got != "ping" || p.Lost() != 1 {
		t.Errorf("%d replies lost, want the request to arrive and 1 lost", p.Lost())
	}
}

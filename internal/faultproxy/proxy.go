// Package faultproxy is a proxy for tests that loses replies of Redis.
package faultproxy

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and Redis and loses replies: it passes a request on,
// waits until the server has answered, and then cuts the connection instead of
// passing the answer back. What was asked is done and the client cannot know.
type Proxy struct {
	Addr string // host:port to connect to

	listener net.Listener
	group    sync.WaitGroup

	mu     sync.Mutex
	target string
	rate   float64
	rng    *rand.Rand
	conns  map[net.Conn]struct{}
	next   bool // lose the next one whatever the rate
	lost   int
}

// New starts a proxy to addr that loses the given share of replies, drawn from
// the seed, and stops it when the test ends.
func New(tb testing.TB, addr string, share float64, seed uint64) *Proxy {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		Addr: listener.Addr().String(), target: addr, listener: listener,
		rate: share, rng: rand.New(rand.NewPCG(seed, 1)), conns: make(map[net.Conn]struct{}),
	}
	p.group.Go(func() { p.serve(tb.Context()) })
	tb.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
		p.mu.Unlock()
		p.group.Wait()
	})
	return p
}

// Lost returns how many replies were lost.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// LoseNext makes the next reply one of the lost.
func (p *Proxy) LoseNext() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = true
}

// Retarget makes another server the one behind the proxy, and cuts what is connected.
func (p *Proxy) Retarget(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) behind() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *Proxy) serve(ctx context.Context) {
	var dialer net.Dialer
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		target := p.behind()
		server, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		kept, ended := p.keep(target, client, server)
		if ended {
			return
		}
		if !kept {
			continue
		}
		p.group.Go(func() {
			_, _ = io.Copy(server, client)
			p.drop(client, server)
		})
		p.group.Go(func() {
			p.answer(client, server)
			p.drop(client, server)
		})
	}
}

// answer passes replies back until one is to be lost.
func (p *Proxy) answer(client, server net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || p.loses() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) loses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.next && p.rng.Float64() >= p.rate {
		return false
	}
	p.next = false
	p.lost++
	return true
}

// keep remembers connections to cut later. It closes them when another server has
// become the target meanwhile, and after the end.
func (p *Proxy) keep(target string, conns ...net.Conn) (kept, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended = p.conns == nil
	if kept = !ended && target == p.target; !kept {
		for _, c := range conns {
			_ = c.Close()
		}
		return kept, ended
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return kept, ended
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"geogate/bench/contender"
	"geogate/bench/machine"
)

// tile38 starts Tile38, a store made for moving objects, on the server's core. Positions
// go to it over its own protocol, which redis-benchmark speaks. It has every advantage:
// there is no HTTP and no JSON, and nothing goes to disk.
func (h *house) tile38(ctx context.Context) (*recorder, error) {
	program, err := exec.LookPath("tile38-server")
	if err != nil {
		return nil, fmt.Errorf("tile38 is %w: %w", errAbsent, err)
	}
	addr, err := contender.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	if err := h.start(ctx, addr, serverCore, nil, program, "-h", "127.0.0.1", "-p", port, "-q",
		"-d", filepath.Join(h.dir, "tile38"), "--appendonly", "no"); err != nil {
		return nil, err
	}
	// redis-benchmark does not end when nobody listens yet.
	if err := machine.Await(ctx, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}); err != nil {
		return nil, err
	}
	set := func(ctx context.Context, b batch, commands int) (measured, error) {
		return redisBenchmark(ctx, loadCore, addr, b, commands, "SET", "fleet", someDriver, "POINT", inTown, inTown)
	}
	measure := func(ctx context.Context, o options, b batch) (measured, error) { return set(ctx, b, o.commands(b)) }
	_, err = set(ctx, batch{100, 8}, 10*tracked) // so that all of them are known
	return &recorder{name: "Tile38, SET over its own protocol, redis-benchmark", server: addr, measure: measure}, err
}

package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"geogate/internal/command/remote"
	"geogate/internal/config"
)

// listen opens the port or the Unix socket of the configuration.
func listen(ctx context.Context, cfg config.Config) (net.Listener, error) {
	at := cfg.Listener()
	if at.Network == "unix" {
		return listenUnix(ctx, at.Address)
	}
	// Who has asked something is kept alive: internal/arrival.
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, at.Network, at.Address)
	switch {
	case !errors.Is(err, syscall.EADDRINUSE):
	case cfg.Listen == (config.Listen{}):
		return nil, fmt.Errorf("listen: port %d is in use: set PORT to another one, or to 0 for any that is free", cfg.Port)
	default:
		return nil, fmt.Errorf("listen: %s is in use: set LISTEN to another address", at.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// local is the geogate of this configuration, seen from the same machine.
func local(cfg config.Config) remote.Server {
	at := cfg.Listener().Dialable()
	if at.Network == "unix" {
		return remote.Server{URL: "http://localhost", Socket: at.Address, Direct: true, UserAgent: userAgent()}
	}
	return remote.Server{URL: "http://" + at.Address, Direct: true, UserAgent: userAgent()}
}

// socketMode lets every user of the machine connect, as they can to a port. To keep
// some out, put the socket into a folder that they may not enter.
const socketMode = 0o666

// staleTimeout bounds the question whether anybody listens on a socket.
const staleTimeout = time.Second

// listenUnix takes the place of a socket on which nobody listens any more.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		c, err := (&net.Dialer{Timeout: staleTimeout}).DialContext(ctx, "unix", path)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("listen: %s is in use: set LISTEN to another path", path)
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("listen: remove the old socket: %w", err)
			}
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), l.Close())
	}
	return l, nil
}

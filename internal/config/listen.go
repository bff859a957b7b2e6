package config

import (
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Listen is where to listen, in the words of net.Listen. The zero value is unset.
type Listen struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of a socket
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Listen) UnmarshalText(text []byte) error {
	if path := strings.TrimPrefix(string(text), "unix:"); filepath.IsAbs(path) {
		*l = Listen{"unix", filepath.Clean(path)}
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "unix" || strings.ContainsAny(host, "/ ") {
		return errors.New("neither host:port nor a path")
	}
	*l = Listen{"tcp", string(text)}
	return nil
}

// Listener is where to listen: LISTEN, else PORT on all addresses.
func (c *Config) Listener() Listen {
	if c.Listen != (Listen{}) {
		return c.Listen
	}
	return Listen{"tcp", net.JoinHostPort("", strconv.Itoa(c.Port))}
}

// Dialable is how a program on this machine reaches it.
func (l Listen) Dialable() Listen {
	host, port, err := net.SplitHostPort(l.Address)
	if l.Network != "tcp" || err != nil {
		return l
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return Listen{"tcp", net.JoinHostPort(host, port)}
}

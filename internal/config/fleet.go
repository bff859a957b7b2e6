package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxJoin is the most addresses of FLEET_JOIN. Two or three suffice: whoever joins one
// member hears of all others.
const maxJoin = 64

// FleetBind is the address of a process for gossip. The zero value is unset.
type FleetBind struct{ netip.AddrPort }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *FleetBind) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return err
	}
	switch host {
	case "":
		host = "0.0.0.0"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	b.AddrPort = netip.AddrPortFrom(ip.Unmap(), uint16(number))
	return nil
}

// FleetJoin is where other members may be: hosts with or without a port.
type FleetJoin []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (j *FleetJoin) UnmarshalText(text []byte) error {
	var all FleetJoin
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if err := checkMember(part); err != nil {
			return err
		}
		all = append(all, part)
	}
	if len(all) > maxJoin {
		return errors.New("too many")
	}
	*j = all
	return nil
}

// checkMember accepts a name or address, alone or with a port. An IPv6 address with a
// port is in brackets.
func checkMember(text string) error {
	host := text
	if _, err := netip.ParseAddr(text); err != nil && strings.Contains(text, ":") {
		var port string
		if host, port, err = net.SplitHostPort(text); err != nil {
			return err
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("no port")
		}
	}
	if host == "" || strings.ContainsAny(host, "/ @?#[]") {
		return errors.New("no host")
	}
	return nil
}

// fleetKeyBytes makes the key one of AES-256.
const fleetKeyBytes = 32

// GossipKey is FLEET_KEY decoded; nil: gossip is not encrypted. Load has checked it.
func (c *Config) GossipKey() []byte {
	key, err := base64.StdEncoding.DecodeString(string(c.FleetKey))
	if err != nil || len(key) != fleetKeyBytes {
		return nil
	}
	return key
}

func (c *Config) fleetProblems() []string {
	var problems []string
	switch {
	case c.FleetKey != "" && c.GossipKey() == nil:
		problems = append(problems, "FLEET_KEY: want 32 random bytes in base64, such as openssl rand -base64 32 prints")
	case c.FleetKey == "" && c.FleetBind.IsValid() && !c.FleetBind.Addr().IsLoopback():
		problems = append(problems, fmt.Sprintf("FLEET_KEY: required with FLEET_BIND=%s: beyond this machine gossip is always encrypted; openssl rand -base64 32 prints one", c.FleetBind))
	}
	if len(c.FleetJoin) > 0 && !c.FleetBind.IsValid() {
		problems = append(problems, "FLEET_BIND: required with FLEET_JOIN")
	}
	return problems
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"geogate/bench/contender"
	"geogate/bench/machine"
)

// postGIS is what a team uses that has PostgreSQL already: an upserted row for each
// driver, with a spatial index. It has every advantage: nothing is flushed to disk, as
// in the Redis that it is compared with, and the positions are made inside the server,
// so that nothing is sent, decoded or checked.
type postGIS struct {
	h    *house
	bin  string
	port string
}

var errNoPostGIS = fmt.Errorf("PostgreSQL with PostGIS is %w (Debian: postgresql-15-postgis-3)", errAbsent)

const postGISTable = `
CREATE EXTENSION postgis;
CREATE UNLOGGED TABLE drivers (id text PRIMARY KEY, at geometry(Point, 4326) NOT NULL);
CREATE INDEX ON drivers USING gist (at);
`

// upsert moves so many drivers, in the order of their ids: two that meet wait, and do
// not deadlock. Its first line is pgbench's.
const upsert = `\set first random(0, %d)
INSERT INTO drivers
SELECT id::text, ST_SetSRID(ST_MakePoint(-70.63054 + (random() + random() - 1) * 0.1, -33.44262 + (random() + random() - 1) * 0.1), 4326)
FROM generate_series(:first, :first + %d) AS id
ON CONFLICT (id) DO UPDATE SET at = EXCLUDED.at;
`

// postGIS starts a server on the server's core.
func (h *house) postGIS(ctx context.Context) (*recorder, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return nil, errNoPostGIS
	}
	addr, err := contender.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addr, ":")
	p := &postGIS{h: h, bin: filepath.Dir(found[len(found)-1]), port: port}
	as := asItself
	if os.Geteuid() == 0 {
		as = asPostgres
	}
	made, err := output(ctx, as("mktemp", "-d", "-t", "geogate-bench-postgres-XXXXXX")...)
	if err != nil {
		return nil, err
	}
	dir := strings.TrimSpace(made)
	h.ends = append(h.ends, func() { _ = os.RemoveAll(dir) })
	if _, err := output(ctx, as(p.bin+"/initdb", "-D", dir, "-U", "postgres", "-A", "trust")...); err != nil {
		return nil, err
	}
	server := as(p.bin+"/postgres", "-D", dir, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir,
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "log_min_messages=fatal")
	if err := h.start(ctx, addr, serverCore, nil, server...); err != nil {
		return nil, err
	}
	if err := machine.Await(ctx, func(ctx context.Context) error {
		_, err := p.client(ctx, "pg_isready")
		return err
	}); err != nil {
		return nil, err
	}
	if _, err := p.client(ctx, "psql", "-q", "-c", postGISTable); err != nil {
		return nil, errors.Join(errNoPostGIS, err)
	}
	return &recorder{name: "PostGIS, upsert, pgbench", measure: p.measure}, nil
}

func asItself(args ...string) []string { return args }

// asPostgres: PostgreSQL refuses to run as root, and Debian has a user for it.
func asPostgres(args ...string) []string {
	return append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, args...)
}

// output runs a command to its end.
func output(ctx context.Context, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", args[0], err, text)
	}
	return string(text), nil
}

// client runs a client of the server.
func (p *postGIS) client(ctx context.Context, name string, args ...string) (string, error) {
	return output(ctx, append([]string{filepath.Join(p.bin, name), "-h", "127.0.0.1", "-p", p.port, "-U", "postgres"}, args...)...)
}

var tpsLine = regexp.MustCompile(`tps = ([\d.]+)`)

// measure moves drivers with pgbench, on the core of the load.
func (p *postGIS) measure(ctx context.Context, o options, b batch) (measured, error) {
	script := filepath.Join(p.h.dir, "upsert.sql")
	if err := os.WriteFile(script, fmt.Appendf(nil, upsert, tracked-b.size, b.size-1), 0o600); err != nil {
		return measured{}, fmt.Errorf("write script: %w", err)
	}
	seconds := max(1, int(o.duration.Seconds()))
	text, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, p.bin+"/pgbench", "-h", "127.0.0.1", "-p", p.port, "-U", "postgres",
		"-n", "-M", "prepared", "-c", strconv.Itoa(b.connections), "-j", "1", "-T", strconv.Itoa(seconds), "-f", script, "postgres").CombinedOutput()
	if err != nil {
		return measured{}, fmt.Errorf("pgbench: %w: %s", err, text)
	}
	rate, err := number(tpsLine, text)
	if err != nil {
		return measured{}, err
	}
	perSecond := rate * float64(b.size)
	return measured{perSecond: perSecond, stored: perSecond * float64(seconds)}, nil
}

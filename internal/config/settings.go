package config

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// This file has the forms that values are written in; config.go has the
// variables.

// forms are those of types that are not ours.
var forms = map[reflect.Type]env.ParserFunc{
	reflect.TypeFor[time.Duration]():   func(text string) (any, error) { return parseDuration(text) },
	reflect.TypeFor[[]time.Duration](): func(text string) (any, error) { return parsePauses(text) },
	reflect.TypeFor[[]netip.Prefix]():  func(text string) (any, error) { return parsePrefixes(text) },
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return d, err
}

// maxPause bounds one pause of WEBHOOK_RETRIES.
const maxPause = 7 * 24 * time.Hour

func parsePauses(text string) ([]time.Duration, error) {
	var pauses []time.Duration
	for part := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if d <= 0 || d > maxPause {
			return nil, errors.New("out of range")
		}
		pauses = append(pauses, d)
	}
	return pauses, nil
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// Secret is a value that no log, error or banner may show.
type Secret string

func (Secret) String() string { return "(hidden)" }

// NATSURL is where the bus is, and may hold a password.
type NATSURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NATSURL) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("not a NATS URL")
		}
	}
	*n = NATSURL(text)
	return nil
}

func (NATSURL) String() string { return "(hidden)" }

// Hosts are where the bus is, without user and password. A port is there only
// if it was given.
func (n NATSURL) Hosts() []string {
	if n == "" {
		return nil
	}
	var hosts []string
	for part := range strings.SplitSeq(string(n), ",") {
		if u, err := url.Parse(strings.TrimSpace(part)); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// ByteSize counts bytes; written as 512, 64KiB, 64MiB or 1GiB.
type ByteSize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *ByteSize) UnmarshalText(text []byte) error {
	s, unit := string(text), int64(1)
	for suffix, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, found := strings.CutSuffix(s, suffix); found {
			s, unit = number, factor
		}
	}
	v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return err
	}
	if v < 0 || v > 1<<53/unit {
		return errors.New("out of range")
	}
	*b = ByteSize(v * unit)
	return nil
}

// Proxies tells an explicit 0 from an unset variable, which Heroku overrides.
type Proxies struct {
	Hops int
	set  bool
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Proxies) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	if n < 0 || n > 16 {
		return errors.New("out of range")
	}
	*p = Proxies{Hops: n, set: true}
	return nil
}

// Kilometres are growing radii.
type Kilometres []float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kilometres) UnmarshalText(text []byte) error {
	var radii []float64
	for field := range strings.SplitSeq(string(text), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil {
			return err
		}
		if !(v > 0 && v <= 100) || len(radii) > 0 && v <= radii[len(radii)-1] {
			return errors.New("out of range or not growing")
		}
		radii = append(radii, v)
	}
	*k = radii
	return nil
}

// Metres are the same radii in metres.
func (k Kilometres) Metres() []float64 {
	m := make([]float64, len(k))
	for i, v := range k {
		m[i] = v * 1000
	}
	return m
}

// Cell is the side of the squares that are asked for from a zoom on.
type Cell struct {
	MinZoom int
	Metres  float64
}

// Cells are pairs of a zoom and the side of its squares in metres.
type Cells []Cell

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Cells) UnmarshalText(text []byte) error {
	var all Cells
	for field := range strings.SplitSeq(string(text), ",") {
		zoom, metres, _ := strings.Cut(strings.TrimSpace(field), "=")
		z, err := strconv.Atoi(zoom)
		if err != nil {
			return err
		}
		m, err := strconv.ParseFloat(metres, 64)
		if err != nil {
			return err
		}
		if z < 0 || z > 18 || !(m >= 1 && m <= 10_000) || len(all) > 0 && z <= all[len(all)-1].MinZoom {
			return errors.New("out of range or not growing")
		}
		all = append(all, Cell{MinZoom: z, Metres: m})
	}
	*c = all
	return nil
}

// JobsStore is the directory of bulk jobs, or empty where Redis keeps them.
type JobsStore string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *JobsStore) UnmarshalText(text []byte) error {
	if string(text) == "redis" {
		*s = ""
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil {
		return err
	}
	if u.Scheme != "file" || u.Host != "" || !filepath.IsAbs(u.Path) {
		return errors.New("neither redis nor file:///path")
	}
	*s = JobsStore(filepath.Clean(u.Path))
	return nil
}

// Switch is written as on or off.
type Switch bool

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*o = true
	case "off":
		*o = false
	default:
		return errors.New("neither on nor off")
	}
	return nil
}

// LogFormat is auto, json or text.
type LogFormat string

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *LogFormat) UnmarshalText(text []byte) error {
	if !slices.Contains([]string{"auto", "json", "text"}, string(text)) {
		return errors.New("unknown format")
	}
	*f = LogFormat(text)
	return nil
}

// Milliseconds is a time as OpenTelemetry writes it.
type Milliseconds int

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Milliseconds) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	if n < 1 || n > 60_000 {
		return errors.New("out of range")
	}
	*m = Milliseconds(n)
	return nil
}

// Duration is m as the rest of the program has it.
func (m Milliseconds) Duration() time.Duration { return time.Duration(m) * time.Millisecond }

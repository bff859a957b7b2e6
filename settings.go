package main

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/internal/webhook"
	"geogate/upstream"
)

// This file has the forms that settings are written in; config.go has the settings.

// secret is a value that no log, error or banner may show.
type secret string

func (secret) String() string { return "(hidden)" }

// duration is a time.Duration that is not negative.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if v < 0 {
		return errors.New("negative")
	}
	*d = duration(v)
	return nil
}

// schedule is the pauses between attempts to deliver.
type schedule webhook.Schedule

func (s *schedule) UnmarshalText(text []byte) error {
	parsed, err := webhook.ParseSchedule(string(text))
	*s = schedule(parsed)
	return err
}

// cidrs are ranges of addresses.
type cidrs []netip.Prefix

func (c *cidrs) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		*c = append(*c, prefix)
	}
	return nil
}

func (c cidrs) String() string {
	parts := make([]string, len(c))
	for i, prefix := range c {
		parts[i] = prefix.String()
	}
	return strings.Join(parts, ", ")
}

// natsURL is where the bus is, and may hold a password.
type natsURL string

func (n *natsURL) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("not a NATS URL")
		}
	}
	*n = natsURL(text)
	return nil
}

func (natsURL) String() string { return "(hidden)" }

// hosts are where the bus is, without user and password.
func (n natsURL) hosts() string {
	var hosts []string
	for part := range strings.SplitSeq(string(n), ",") {
		if u, err := url.Parse(strings.TrimSpace(part)); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ", ")
}

// byteSize counts bytes; written as 512, 64KiB, 64MiB or 1GiB.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
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
	*b = byteSize(v * unit)
	return nil
}

// rate is a number of requests in a time; the zero value means no limit.
type rate struct {
	requests int
	per      time.Duration
}

func (r *rate) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*r = rate{}
		return nil
	}
	requests, per, found := strings.Cut(string(text), "/")
	if !found {
		return errors.New("no slash")
	}
	n, err := strconv.Atoi(requests)
	if err != nil {
		return err
	}
	if strings.Trim(per, "smh") == "" { // 5/s, as upstream options are written
		per = "1" + per
	}
	d, err := time.ParseDuration(per)
	if err != nil {
		return err
	}
	if n < 1 || d < time.Second {
		return errors.New("out of range")
	}
	*r = rate{requests: n, per: d}
	return nil
}

// proxies tells an explicit 0 from an unset variable, which Heroku overrides.
type proxies struct {
	hops int
	set  bool
}

func (p *proxies) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	if n < 0 || n > 16 {
		return errors.New("out of range")
	}
	*p = proxies{hops: n, set: true}
	return nil
}

// kilometres are growing radii.
type kilometres []float64

func (k *kilometres) UnmarshalText(text []byte) error {
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

// metres converts to the unit of package dispatch.
func (k kilometres) metres() []float64 {
	m := make([]float64, len(k))
	for i, v := range k {
		m[i] = v * 1000
	}
	return m
}

// cells are pairs of a zoom and the side of its squares in metres.
type cells []gateway.Cell

func (c *cells) UnmarshalText(text []byte) error {
	var all cells
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
		all = append(all, gateway.Cell{MinZoom: z, Metres: m})
	}
	*c = all
	return nil
}

// maxWorkers is far above what one process makes use of.
const maxWorkers = 256

// jobStore is where bulk jobs are kept: a directory, or Redis when empty.
type jobStore string

func (s *jobStore) UnmarshalText(text []byte) error {
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
	*s = jobStore(filepath.Clean(u.Path))
	return nil
}

// specs are the parsed UPSTREAMS.
type specs []upstream.Spec

func (s *specs) UnmarshalText(text []byte) error {
	parsed, err := upstream.ParseSpecs(string(text))
	*s = parsed
	return err
}

type logLevel zerolog.Level

func (l *logLevel) UnmarshalText(text []byte) error {
	level, err := zerolog.ParseLevel(string(text))
	if err != nil {
		return err
	}
	*l = logLevel(level)
	return nil
}

type onOff bool

func (o *onOff) UnmarshalText(text []byte) error {
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

type logFormat string

func (f *logFormat) UnmarshalText(text []byte) error {
	if !slices.Contains([]string{"auto", "json", "text"}, string(text)) {
		return errors.New("unknown format")
	}
	*f = logFormat(text)
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

type doctorCmd struct {
	JSON bool `help:"Print the findings as JSON."`
}

// doctorTimeout bounds the whole examination.
const doctorTimeout = 20 * time.Second

// maxClockSkew is how far this machine's clock may lie from Redis's. Deadlines
// are kept by Redis's clock; a skew shows in the times that clients are told.
const maxClockSkew = 2 * time.Second

// A verdict orders findings by how much they matter.
type verdict string

const (
	healthy verdict = "ok"
	warned  verdict = "warn"
	failed  verdict = "fail"
)

// finding is what the doctor says about one thing.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	Hint    string  `json:"hint,omitempty"`
}

// Run examines everything and fails when anything is wrong. Warnings are
// printed and do not fail.
func (cmd doctorCmd) Run(p *process) error {
	ctx, cancel := context.WithTimeout(p.ctx, doctorTimeout)
	defer cancel()
	findings := examine(ctx, p.getenv)
	if err := cmd.print(p, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.Verdict == failed {
			return errUnhealthy
		}
	}
	return nil
}

func (cmd doctorCmd) print(p *process, findings []finding) error {
	if cmd.JSON {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Findings []finding `json:"findings"`
		}{findings})
	}
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(tab, "%s\t%s\t%s\n", f.Verdict, f.Check, f.Detail)
		if f.Hint != "" {
			fmt.Fprintf(tab, "\t\t→ %s\n", f.Hint)
		}
	}
	return tab.Flush()
}

func examine(ctx context.Context, getenv func(string) string) []finding {
	cfg, err := loadConfig(getenv)
	if err != nil {
		return configFindings(err)
	}
	findings := []finding{{"configuration", healthy, "every variable is well-formed", ""}}
	redis.SetLogger(redisLog{zerolog.Nop()}) // the findings tell all of it
	rdb, err := openRedis(cfg)
	if err != nil {
		return append(findings, finding{"redis", failed, err.Error(), ""})
	}
	findings = append(findings, examineRedis(ctx, rdb, cfg)...)
	findings = append(findings, examineEvents(ctx, rdb, cfg)...)
	findings = append(findings, examineUpstreams(ctx, rdb, cfg)...)
	if err := rdb.Close(); err != nil {
		findings = append(findings, finding{"redis", warned, err.Error(), ""})
	}
	return findings
}

func configFindings(err error) []finding {
	var wrong *ConfigError
	if !errors.As(err, &wrong) {
		return []finding{{"configuration", failed, err.Error(), ""}}
	}
	var findings []finding
	for _, p := range wrong.Problems {
		findings = append(findings, finding{"configuration", failed, p, ""})
	}
	return findings
}

func examineRedis(ctx context.Context, rdb *redisServer, cfg Config) []finding {
	if rdb.builtIn != nil {
		return []finding{
			{"redis", warned, rdb.label, "set REDIS_URL before anybody relies on rides or on a warm cache"},
			{"clock", healthy, "the built-in Redis uses this machine's clock", ""},
		}
	}
	info, err := rdb.info(ctx)
	if err != nil {
		return []finding{{"redis", failed, rdb.label + " does not answer: " + err.Error(), "check REDIS_URL, the network, and REDIS_TLS_SKIP_VERIFY on Heroku"}}
	}
	return []finding{
		examineVersion(info, rdb.label),
		examinePersistence(info),
		examineEviction(info),
		examineTLS(rdb.label, cfg),
		examineClock(ctx, rdb),
	}
}

func examineVersion(info map[string]string, label string) finding {
	if v := info["valkey_version"]; v != "" {
		return finding{"redis version", healthy, "Valkey " + v + " at " + label, ""}
	}
	v := info["redis_version"]
	major, _, _ := strings.Cut(v, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return finding{"redis version", failed, fmt.Sprintf("version %q at %s", v, label), "geogate needs Redis 7.0 or Valkey"}
	}
	return finding{"redis version", healthy, v + " at " + label, ""}
}

func examinePersistence(info map[string]string) finding {
	switch {
	case info["aof_enabled"] == "1":
		return finding{"redis persistence", healthy, "append-only file: a crash loses at most what appendfsync allows", ""}
	case info["rdb_last_save_time"] != "" && info["rdb_changes_since_last_save"] != "" && info["rdb_saves"] != "" && info["rdb_saves"] != "0":
		return finding{"redis persistence", warned, "snapshots only: a crash loses what happened since the last one", "turn on appendonly for rides that must survive"}
	}
	return finding{"redis persistence", warned, "nothing was ever saved: a restart of Redis forgets every ride", "turn on appendonly, or choose a plan with persistence"}
}

func examineEviction(info map[string]string) finding {
	policy := info["maxmemory_policy"]
	if strings.HasPrefix(policy, "allkeys-") {
		return finding{"redis eviction", failed, "maxmemory-policy " + policy + " may drop rides and drivers", "use noeviction, or volatile-lru when memory is short"}
	}
	return finding{"redis eviction", healthy, "maxmemory-policy " + policy, ""}
}

func examineTLS(label string, cfg Config) finding {
	switch {
	case cfg.RedisTLSSkipVerify:
		return finding{"redis TLS", warned, "the certificate is not checked", "unset REDIS_TLS_SKIP_VERIFY unless the server has a self-signed one, as on Heroku"}
	case strings.Contains(label, "over TLS"):
		return finding{"redis TLS", healthy, "on, the certificate is checked", ""}
	}
	return finding{"redis TLS", healthy, "off: fine within a private network only", ""}
}

func examineClock(ctx context.Context, rdb *redisServer) finding {
	before := time.Now()
	theirs, err := rdb.Time(ctx).Result()
	if err != nil {
		return finding{"clock", failed, "redis did not tell its time: " + err.Error(), ""}
	}
	ours := before.Add(time.Since(before) / 2)
	if skew := ours.Sub(theirs).Abs(); skew > maxClockSkew {
		return finding{"clock", failed, fmt.Sprintf("%s apart from the clock of redis", skew.Round(time.Millisecond)), "keep both machines on NTP"}
	}
	return finding{"clock", healthy, "agrees with the clock of redis", ""}
}

// examineUpstreams asks each geocoder for its status, outside the chain: a
// doctor wants to hear from every one of them.
func examineUpstreams(ctx context.Context, rdb *redisServer, cfg Config) []finding {
	chain, err := openUpstreams(cfg, rdb, zerolog.Nop(), nil)
	if err != nil {
		return []finding{{"upstreams", failed, err.Error(), ""}}
	}
	var findings []finding
	for _, probe := range chain.Probe(ctx) {
		f := finding{"upstream " + probe.Name, healthy, fmt.Sprintf("answers in %s", probe.Took.Round(time.Millisecond)), ""}
		if probe.Err != nil {
			f.Verdict, f.Detail = failed, probe.Err.Error()
			f.Hint = "check the URL in UPSTREAMS, and whether this machine may reach it"
		}
		findings = append(findings, f)
	}
	return findings
}

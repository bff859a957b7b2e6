package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"geogate/internal/command/redisclient"
)

// maxClockSkew is how far this machine's clock may lie from that of Redis.
// Deadlines follow the clock of Redis; a skew shows in the times that clients
// see.
const maxClockSkew = 2 * time.Second

func examineRedis(ctx context.Context, s Subject) []Finding {
	rdb := s.Redis
	if rdb.BuiltIn() {
		return []Finding{
			{"redis", Warned, rdb.Label(), "set REDIS_URL before anyone relies on rides or on a warm cache"},
			{"clock", Healthy, "the built-in Redis uses this machine's clock", ""},
		}
	}
	info, err := rdb.InfoFields(ctx)
	if err != nil {
		return []Finding{{"redis", Failed, rdb.Label() + " does not answer: " + err.Error(), "check REDIS_URL, the network, and REDIS_TLS_SKIP_VERIFY on Heroku"}}
	}
	return []Finding{
		examineVersion(info, rdb.Label()),
		examinePersistence(info),
		examineEviction(info),
		examineTLS(s),
		examineClock(ctx, rdb),
	}
}

func examineVersion(info map[string]string, label string) Finding {
	if v := info["valkey_version"]; v != "" {
		return Finding{"redis version", Healthy, "Valkey " + v + " at " + label, ""}
	}
	v := info["redis_version"]
	major, _, _ := strings.Cut(v, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return Finding{"redis version", Failed, fmt.Sprintf("version %q at %s", v, label), "geogate needs Redis 7.0 or Valkey"}
	}
	return Finding{"redis version", Healthy, v + " at " + label, ""}
}

func examinePersistence(info map[string]string) Finding {
	switch {
	case info["aof_enabled"] == "1":
		return Finding{"redis persistence", Healthy, "append-only file: a crash loses no more than appendfsync allows", ""}
	case info["rdb_last_save_time"] != "" && info["rdb_changes_since_last_save"] != "" && info["rdb_saves"] != "" && info["rdb_saves"] != "0":
		return Finding{"redis persistence", Warned, "snapshots only: a crash loses what happened since the last one", "turn on appendonly to keep rides through a crash"}
	}
	return Finding{"redis persistence", Warned, "Redis saves nothing: a restart of Redis forgets every ride", "turn on appendonly, or choose a plan with persistence"}
}

func examineEviction(info map[string]string) Finding {
	policy := info["maxmemory_policy"]
	if strings.HasPrefix(policy, "allkeys-") {
		return Finding{"redis eviction", Failed, "maxmemory-policy " + policy + " may drop rides and drivers", "use noeviction, or volatile-lru when memory is short"}
	}
	return Finding{"redis eviction", Healthy, "maxmemory-policy " + policy, ""}
}

func examineTLS(s Subject) Finding {
	switch {
	case s.SkipsVerify:
		return Finding{"redis TLS", Warned, "the certificate is not checked", "unset REDIS_TLS_SKIP_VERIFY, unless the certificate is self-signed, as on Heroku"}
	case s.Redis.OverTLS():
		return Finding{"redis TLS", Healthy, "on, the certificate is checked", ""}
	}
	return Finding{"redis TLS", Healthy, "off: safe only within a private network", ""}
}

func examineClock(ctx context.Context, rdb *redisclient.Client) Finding {
	before := time.Now()
	theirs, err := rdb.Time(ctx).Result()
	if err != nil {
		return Finding{"clock", Failed, "redis did not say what time it is: " + err.Error(), ""}
	}
	ours := before.Add(time.Since(before) / 2)
	if skew := ours.Sub(theirs).Abs(); skew > maxClockSkew {
		return Finding{"clock", Failed, fmt.Sprintf("%s away from the clock of redis", skew.Round(time.Millisecond)), "synchronise both machines by NTP"}
	}
	return Finding{"clock", Healthy, "agrees with the clock of redis", ""}
}

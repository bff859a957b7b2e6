package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"geogate/internal/event"
	"geogate/internal/webhook"
)

// examineEvents tells what a delivery that was promised is worth on this Redis,
// which subscribers are in trouble, and whether the bus can be reached.
func examineEvents(ctx context.Context, rdb *redisServer, cfg Config) []finding {
	findings := []finding{examineDurability(ctx, rdb)}
	findings = append(findings, examineSubscribers(ctx, rdb)...)
	if cfg.NATSURL != "" {
		findings = append(findings, examineBus(ctx, cfg.NATSURL))
	}
	return findings
}

// examineDurability puts the persistence of Redis into words about events: they
// are kept there, and nowhere else, until they are delivered.
func examineDurability(ctx context.Context, rdb *redisServer) finding {
	const check = "event durability"
	if rdb.builtIn != nil {
		return finding{check, warned, "a restart of geogate forgets subscribers and undelivered events", "set REDIS_URL"}
	}
	info, err := rdb.info(ctx)
	if err != nil {
		return finding{check, failed, "unknown: redis does not answer", ""}
	}
	if info["aof_enabled"] != "1" {
		return finding{check, warned, "a crash of redis forgets subscribers and undelivered events since its last snapshot, if any", "turn on appendonly"}
	}
	if info["aof_last_write_status"] == "err" {
		return finding{check, failed, "redis cannot write its append-only file", "look at its disk"}
	}
	settings, err := rdb.ConfigGet(ctx, "appendfsync").Result()
	if err != nil { // hosted ones do not tell
		return finding{check, healthy, "append-only file; how often it is written to disk is not told", ""}
	}
	switch settings["appendfsync"] {
	case "always":
		return finding{check, healthy, "every event that was acknowledged is on disk; a failover may still lose the last ones", ""}
	case "everysec":
		return finding{check, healthy, "a crash of redis loses at most about a second of events and of what became of deliveries: these are repeated", ""}
	}
	return finding{check, warned, "the operating system decides when events reach the disk, often half a minute later", "set appendfsync everysec"}
}

func examineSubscribers(ctx context.Context, rdb *redisServer) []finding {
	guard := webhook.NewGuard(webhook.GuardConfig{})
	defer guard.Close()
	list, err := webhook.NewRegistry(rdb, guard, webhook.Config{}).List(ctx)
	if err != nil {
		return nil // that redis does not answer was said
	}
	findings := []finding{{"subscribers", healthy, fmt.Sprintf("%d", len(list)), ""}}
	for _, s := range list {
		if s.State == webhook.Disabled {
			findings = append(findings, finding{"subscriber " + s.ID, warned,
				fmt.Sprintf("disabled, its endpoint only fails: %s; %d dead letters", s.Reason, s.DeadLetters),
				"mend it, then POST /events/subscribers/" + s.ID + "/test"})
		}
	}
	groups, err := event.New(rdb, event.Config{}).Groups(ctx)
	if err != nil {
		return findings
	}
	for _, g := range groups {
		if g.Lag > time.Minute {
			findings = append(findings, finding{"events for " + g.Name, warned,
				fmt.Sprintf("%s behind", g.Lag.Round(time.Second)), "is a geogate running, with NATS_URL if this is the bus?"})
		}
	}
	return findings
}

// examineBus connects to each server of the bus, and leaves again.
func examineBus(ctx context.Context, servers natsURL) finding {
	var away []string
	for part := range strings.SplitSeq(string(servers), ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil {
			continue // the configuration was checked
		}
		port := u.Port()
		if port == "" {
			port = "4222"
		}
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			away = append(away, u.Host)
			continue
		}
		_ = conn.Close()
	}
	if len(away) > 0 {
		return finding{"bus", warned, "cannot be reached: " + strings.Join(away, ", "), "events wait for it; check NATS_URL and the network"}
	}
	return finding{"bus", healthy, servers.hosts() + " can be reached", ""}
}

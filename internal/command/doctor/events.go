package doctor

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"geogate/internal/command/redisclient"
	"geogate/internal/event"
	"geogate/internal/webhook"
)

// examineEvents says how safe undelivered events are on this Redis, which
// subscribers are in trouble, and whether the bus can be reached.
func examineEvents(ctx context.Context, s Subject) []Finding {
	findings := []Finding{examineDurability(ctx, s.Redis)}
	findings = append(findings, examineSubscribers(ctx, s.Redis)...)
	if len(s.Bus) > 0 {
		findings = append(findings, examineBus(ctx, s.Bus))
	}
	return findings
}

// examineDurability says what the persistence of Redis means for events: until
// they are delivered, Redis alone keeps them.
func examineDurability(ctx context.Context, rdb *redisclient.Client) Finding {
	const check = "event durability"
	if rdb.BuiltIn() {
		return Finding{check, Warned, "a restart of geogate forgets subscribers and undelivered events", "set REDIS_URL"}
	}
	info, err := rdb.InfoFields(ctx)
	if err != nil {
		return Finding{check, Failed, "unknown: redis does not answer", ""}
	}
	if info["aof_enabled"] != "1" {
		return Finding{check, Warned, "a crash of redis forgets the subscribers and undelivered events since its last snapshot, if it takes any", "turn on appendonly"}
	}
	if info["aof_last_write_status"] == "err" {
		return Finding{check, Failed, "redis cannot write its append-only file", "check its disk"}
	}
	settings, err := rdb.ConfigGet(ctx, "appendfsync").Result()
	if err != nil { // hosted servers refuse the question
		return Finding{check, Healthy, "append-only file; redis does not say how often it is written to disk", ""}
	}
	switch settings["appendfsync"] {
	case "always":
		return Finding{check, Healthy, "every acknowledged event is on disk; a failover may still lose the last ones", ""}
	case "everysec":
		return Finding{check, Healthy, "a crash of redis loses about a second of events at most, and about a second of delivery results: those deliveries are repeated", ""}
	}
	return Finding{check, Warned, "the operating system decides when events reach the disk, often half a minute later", "set appendfsync everysec"}
}

func examineSubscribers(ctx context.Context, rdb *redisclient.Client) []Finding {
	guard := webhook.NewGuard(webhook.GuardConfig{})
	defer guard.Close()
	list, err := webhook.NewRegistry(rdb, guard, webhook.Config{}).List(ctx)
	if err != nil {
		return nil // examineRedis has said that redis does not answer
	}
	findings := []Finding{{"subscribers", Healthy, strconv.Itoa(len(list)), ""}}
	for _, s := range list {
		if s.State == webhook.Disabled {
			findings = append(findings, Finding{"subscriber " + s.ID, Warned,
				fmt.Sprintf("disabled because its endpoint keeps failing: %s; %d dead letters", s.Reason, s.DeadLetters),
				"repair it, then POST /events/subscribers/" + s.ID + "/test"})
		}
	}
	groups, err := event.New(rdb, event.Config{}).Groups(ctx)
	if err != nil {
		return findings
	}
	for _, g := range groups {
		if g.Lag > time.Minute {
			findings = append(findings, Finding{"events for " + g.Name, Warned,
				fmt.Sprintf("%s behind", g.Lag.Round(time.Second)), "is geogate running, and with NATS_URL if this is the bus?"})
		}
	}
	return findings
}

// busPort is where NATS listens unless its URL says otherwise.
const busPort = "4222"

// examineBus connects to each server of the bus and hangs up.
func examineBus(ctx context.Context, hosts []string) Finding {
	var away []string
	for _, host := range hosts {
		addr := host
		if _, _, err := net.SplitHostPort(host); err != nil {
			addr = net.JoinHostPort(strings.Trim(host, "[]"), busPort)
		}
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			away = append(away, host)
			continue
		}
		_ = conn.Close()
	}
	if len(away) > 0 {
		return Finding{"bus", Warned, "no connection to " + strings.Join(away, ", "), "events wait for the bus; check NATS_URL and the network"}
	}
	return Finding{"bus", Healthy, strings.Join(hosts, ", ") + " can be reached", ""}
}

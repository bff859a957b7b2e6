package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"geogate/internal/rate"
)

func environment(vars ...string) func(string) string {
	return func(name string) string {
		for _, v := range vars {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value
			}
		}
		return ""
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := Load(environment(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 8080 || c.CacheMemory != 64<<20 || c.CacheTTL != 24*time.Hour ||
		c.RateLimit != (rate.Rate{Requests: 600, Per: time.Minute}) || c.TrustedProxies.Hops != 0 ||
		fmt.Sprint(c.DispatchRadii.Metres()) != "[1000 2000 5000]" || c.Upstreams != "gazetteer" {
		t.Errorf("defaults are %+v", c)
	}
}

// Every mistake is told at once, by the name of the variable, and no secret
// with it.
func TestConfigMistakes(t *testing.T) {
	tests := []struct{ setting, want string }{
		{"PORT=http", `PORT="http": want a port`},
		{"PORT=70000", "PORT: want a port"},
		{"CACHE_TTL=soon", `CACHE_TTL="soon": want a duration such as 24h`},
		{"CACHE_TTL=-1h", `CACHE_TTL="-1h": want`},
		{"CACHE_TTL=0s", "CACHE_TTL: want a duration above 0"},
		{"CACHE_MEMORY=64MB", `CACHE_MEMORY="64MB": want a size such as 64MiB`},
		{"CACHE_MEMORY=-1", "CACHE_MEMORY="},
		{"ETA_DETOUR=0.9", "ETA_DETOUR: want a number from 1 to 10"},
		{"ETA_DETOUR=NaN", "ETA_DETOUR: want a number from 1 to 10"},
		{"ETA_SPEED_KMH=fast", `ETA_SPEED_KMH="fast": want a number from 1 to 200`},
		{"ETA_SPEED_KMH=0", "ETA_SPEED_KMH: want a number from 1 to 200"},
		{"RATE_LIMIT=600", `RATE_LIMIT="600": want requests/duration`},
		{"RATE_LIMIT=0/1m", "RATE_LIMIT="},
		{"TRUSTED_PROXIES=-1", "TRUSTED_PROXIES="},
		{"LISTEN=8080", `LISTEN="8080": want host:port, /path or unix:/path`},
		{"TRUSTED_PROXY_CIDRS=10.0.0.1", `TRUSTED_PROXY_CIDRS="10.0.0.1": want address ranges`},
		{"RATE_LIMIT_EXEMPT_CIDRS=all", `RATE_LIMIT_EXEMPT_CIDRS="all": want address ranges`},
		{"CORS_ORIGINS=app.example.org", "CORS_ORIGINS: "},
		{"DISPATCH_RADII_KM=5,2,1", "DISPATCH_RADII_KM="},
		{"DISPATCH_RADII_KM=1,200", "DISPATCH_RADII_KM="},
		{"DISPATCH_MAX_RIDES=-5", "DISPATCH_MAX_RIDES: want"},
		{"DRIVER_TTL=0s", "DRIVER_TTL: want a duration above 0"},
		{"REVERSE_CELLS=18", "REVERSE_CELLS="},
		{"FAST_LANE=yes", "FAST_LANE="},
		{"REVERSE_CELLS=18=30,10=500", "REVERSE_CELLS="},
		{"WEBHOOK_RETRIES=1s,0s", `WEBHOOK_RETRIES="1s,0s": want durations above 0`},
		{"WEBHOOK_ALLOW_CIDRS=10.0.0.1", `WEBHOOK_ALLOW_CIDRS="10.0.0.1": want address ranges`},
		{"NATS_URL=http://user:hunter2@host", "NATS_URL: want nats://"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: want http/json"},
		{"OTEL_TRACES_EXPORTER=zipkin", "OTEL_TRACES_EXPORTER: want otlp or none"},
		{"OTEL_BSP_SCHEDULE_DELAY=5s", `OTEL_BSP_SCHEDULE_DELAY="5s": want milliseconds`},
		{"OTEL_BSP_SCHEDULE_DELAY=0", `OTEL_BSP_SCHEDULE_DELAY="0": want milliseconds`},
		{"LOG_LEVEL=loud", "LOG_LEVEL="},
		{"LOG_FORMAT=xml", "LOG_FORMAT="},
		{"REDIS_TLS_SKIP_VERIFY=perhaps", "REDIS_TLS_SKIP_VERIFY="},
	}
	all := map[string]string{}
	for _, tt := range tests {
		t.Run(tt.setting, func(t *testing.T) {
			_, err := Load(environment(tt.setting), nil)
			var wrong *Error
			if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || !strings.HasPrefix(wrong.Problems[0], tt.want) {
				t.Fatalf("Load = %v, want one problem beginning with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
		name, value, _ := strings.Cut(tt.setting, "=")
		all[name] = value
	}
	_, err := Load(func(name string) string { return all[name] }, nil)
	var wrong *Error
	if !errors.As(err, &wrong) || len(wrong.Problems) != len(all) {
		t.Errorf("%d mistakes at once: %v", len(all), err)
	}
}

func TestConfigValues(t *testing.T) {
	c, err := Load(environment("RATE_LIMIT=5/s", "CACHE_MEMORY=0", "CACHE_STALE_TTL=0s", "TRUSTED_PROXIES=2",
		"DYNO=web.1", "PORT=", "DISPATCH_RADII_KM=0.5, 3", "CORS_ORIGINS=https://a.example,https://b.example:8443"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.RateLimit != (rate.Rate{Requests: 5, Per: time.Second}) || c.CacheMemory != 0 || c.CacheStaleTTL != 0 || c.TrustedProxies.Hops != 2 ||
		c.Port != 8080 || fmt.Sprint(c.DispatchRadii) != "[0.5 3]" || len(c.CORSOrigins) != 2 {
		t.Errorf("values are %+v", c)
	}
	c, err = Load(environment("DYNO=web.1", "TRUSTED_PROXY_CIDRS=10.0.0.0/8,fd00::/8"), nil)
	if err != nil || c.TrustedProxies.Hops != 0 || len(c.TrustedProxyCIDRs) != 2 {
		t.Errorf("named proxies on Heroku: %d hops, %v, %v", c.TrustedProxies.Hops, c.TrustedProxyCIDRs, err)
	}
	if _, err := Load(environment("TRUSTED_PROXIES=1", "TRUSTED_PROXY_CIDRS=10.0.0.0/8"), nil); err == nil {
		t.Error("proxies may be counted and named at once")
	}
	if c, err := Load(environment("DYNO=web.1"), nil); err != nil || c.TrustedProxies.Hops != 1 {
		t.Errorf("on Heroku %d proxies are trusted (%v), want 1", c.TrustedProxies.Hops, err)
	}
}

// Readers see each value, or the default, and their mistakes are told with all
// others.
func TestReaders(t *testing.T) {
	seen := map[string]string{}
	reader := func(name string, err error) Reader {
		return func(text string) error {
			seen[name] = text
			return err
		}
	}
	_, err := Load(environment("PORT=http", "REDIS_URL=redis://host"), map[string]Reader{
		"REDIS_URL":        reader("REDIS_URL", nil),
		"UPSTREAMS":        reader("UPSTREAMS", errors.New("one\ntwo")),
		"UPSTREAM_CONTACT": reader("UPSTREAM_CONTACT", nil),
	})
	want := "configuration:\n  PORT=\"http\": want a port, 0 to 65535\n  UPSTREAMS: one\n  UPSTREAMS: two"
	if err == nil || err.Error() != want {
		t.Errorf("Load = %v, want %s", err, want)
	}
	if got := fmt.Sprint(seen); got != "map[REDIS_URL:redis://host UPSTREAMS:gazetteer UPSTREAM_CONTACT:]" {
		t.Errorf("the readers saw %s", got)
	}
}

// The README's table of settings is the program's own.
func TestREADMEListsEveryVariable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables() {
		row := "| `" + v.name + "` | " + shown(v.fallback) + " | "
		if !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row that begins with %q", row)
		}
	}
}

func shown(fallback string) string {
	if fallback == "" {
		return "–"
	}
	return fallback
}

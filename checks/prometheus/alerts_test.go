package prometheus

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"

	"geogate/checks/geogate"
)

// change makes a series of its own out of one that geogate told, or changes it.
type change struct {
	metric string
	of     map[string]string // labels by which the series is found; the first one does
	as     map[string]string // labels that the new one has instead; nil: it is that one
	values [3]float64
}

func flat(v float64) [3]float64 { return [3]float64{v, v, v} }

func to(metric string, v float64) []change { return []change{{metric: metric, values: flat(v)}} }

// faults has, for each alert, what /metrics tells when it should fire.
var faults = map[string][]change{
	"GeogateDown":             to("up", 0),
	"GeogateRedisUnreachable": to("geogate_dispatch_store_up", 0),
	"GeogateRedisFillingUp":   to("geogate_redis_optional_writes_paused", 1),
	"GeogateErrors": {{
		metric: "geogate_http_request_duration_seconds_count", of: map[string]string{"route": "/search", "status": "200"},
		as: map[string]string{"status": "502"}, values: [3]float64{0, 5, 10},
	}},
	"GeogateUpstreamUnavailable": to("geogate_upstream_up", 0),
	"GeogateNoUpstream":          to("geogate_upstream_up", 0),
	"GeogateBudgetSpent": {
		{metric: "geogate_upstream_budget_left", values: flat(0)},
		{metric: "geogate_upstream_budget_waiting", values: flat(7)},
	},
	"GeogateRouterUnavailable":  to("geogate_router_up", 0),
	"GeogateOutboxBehind":       to("geogate_dispatch_unsent_events", 20_000),
	"GeogateEventsBehind":       to("geogate_events_lag_seconds", 90),
	"GeogateDeadLetters":        {{metric: "geogate_webhook_dead_total", values: [3]float64{0, 1, 2}}},
	"GeogateSubscriberDisabled": to("geogate_webhook_enabled", 0),
	"GeogateBusDisconnected":    to("geogate_bus_connected", 0),
	"GeogateJobsWait":           to("geogate_jobs_oldest_queued_seconds", 1000),
	"GeogateJobsStuck":          {{metric: "geogate_jobs", of: map[string]string{"state": "running"}, values: flat(1)}},
	"GeogateMixedFleet":         {{metric: "geogate_build_info", as: map[string]string{"version": "v0.0.1", "instance": "127.0.0.2:8080"}, values: flat(1)}},
	"GeogateSettingsDisagree":   to("geogate_settings_disagreements", 2),
	"GeogateModeNotNormal":      {{metric: "geogate_mode", of: map[string]string{"mode": "cached_only"}, values: flat(1)}},
	"GeogateDescriptors":        to("process_open_fds", math.MaxInt32),
}

// healthy is what a test cannot have: an engine and a bus that answer, and no rows that
// were done just now.
var healthy = []change{
	{metric: "geogate_router_up", values: flat(1)},
	{metric: "geogate_bus_connected", values: flat(1)},
	{metric: "geogate_jobs_rows_total", of: map[string]string{"outcome": "found"}, values: flat(1)},
}

func (s scrapes) with(t *testing.T, changes []change) scrapes {
	t.Helper()
	changed := slices.Clone(s)
	for _, c := range changes {
		at := slices.IndexFunc(changed, func(candidate series) bool {
			if candidate.labels[model.MetricNameLabel] != c.metric {
				return false
			}
			for name, value := range c.of {
				if candidate.labels[name] != value {
					return false
				}
			}
			return true
		})
		if at < 0 {
			t.Fatalf("geogate tells no %s%v", c.metric, c.of)
		}
		set := maps.Clone(changed[at].labels)
		for name, value := range c.as {
			if _, has := set[name]; !has {
				t.Fatalf("%s has no label %s", c.metric, name)
			}
			set[name] = value
		}
		if present := (series{set, c.values[:]}); c.as == nil {
			changed[at] = present
		} else {
			changed = append(changed, present)
		}
	}
	return changed
}

// raiseAlerts reads the rules as promtool does, and has each of them fire when it should
// and be silent when nothing is the matter.
func raiseAlerts(t *testing.T, told scrapes) {
	groups, errs := rulefmt.ParseFile(filepath.Join(geogate.Root, "docs", "prometheus", "alerts.yml"), false, model.UTF8Validation)
	if len(errs) > 0 {
		t.Fatalf("alerts.yml: %v", errs)
	}
	page, err := os.ReadFile(filepath.Join(geogate.Root, "docs", "observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	told = told.with(t, healthy)
	seen := map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			t.Run(rule.Alert, func(t *testing.T) {
				seen[rule.Alert] = true
				for _, annotation := range []string{"summary", "runbook"} {
					if rule.Annotations[annotation] == "" {
						t.Errorf("no %s", annotation)
					}
				}
				if severity := rule.Labels["severity"]; severity != "page" && severity != "ticket" {
					t.Errorf("severity %q is neither page nor ticket", severity)
				}
				if anchor := "docs/observability.md#" + strings.ToLower(rule.Alert); rule.Annotations["runbook"] != anchor {
					t.Errorf("runbook %q, want %q", rule.Annotations["runbook"], anchor)
				}
				if !strings.Contains(string(page), "\n### "+rule.Alert+"\n") {
					t.Errorf("docs/observability.md does not say what to do")
				}
				if firing := told.query(t, rule.Expr); len(firing) > 0 {
					t.Errorf("fires while nothing is the matter: %v", firing)
				}
				fault, known := faults[rule.Alert]
				if !known {
					t.Fatal("no fault makes it fire")
				}
				if len(told.with(t, fault).query(t, rule.Expr)) == 0 {
					t.Errorf("%s does not fire", rule.Expr)
				}
			})
		}
	}
	for name := range faults {
		if !seen[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
}

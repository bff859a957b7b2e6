// Package doctor examines what geogate depends on: Redis, the event bus, the
// upstreams and the clock. It says what is wrong in words for operators.
package doctor

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"geogate/internal/command/redisclient"
	"geogate/internal/fleet"
	"geogate/internal/routing"
	"geogate/upstream"
)

// A Verdict orders findings by how much they matter.
type Verdict string

// The verdicts. Only Failed makes the command fail.
const (
	Healthy Verdict = "ok"
	Warned  Verdict = "warn"
	Failed  Verdict = "fail"
)

// Finding is what the doctor says about one thing.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	Hint    string  `json:"hint,omitempty"`
}

// Subject is what is examined.
type Subject struct {
	Redis       *redisclient.Client
	SkipsVerify bool     // REDIS_TLS_SKIP_VERIFY
	Bus         []string // hosts of the NATS servers, with or without a port
	// Probe asks every upstream, outside failover: each has to answer.
	Probe func(context.Context) ([]upstream.Probe, error)
	// Fleet knows the processes that run; nil: with the built-in Redis there is one.
	Fleet *fleet.Fleet
	// Gossip is where they gossip; nil: they do not.
	Gossip *Gossip
	// ProbeRouters asks every routing engine.
	ProbeRouters func(context.Context) []routing.Probe
	// Collector takes spans; nil: there are none.
	Collector *Collector
}

// Examine examines everything. It takes as long as ctx lets it.
func Examine(ctx context.Context, s Subject) []Finding {
	findings := examineRedis(ctx, s)
	findings = append(findings, examineEvents(ctx, s)...)
	findings = append(findings, examineFleet(ctx, s.Fleet)...)
	findings = append(findings, examineGossip(ctx, s.Gossip)...)
	findings = append(findings, examineUpstreams(ctx, s.Probe)...)
	findings = append(findings, examineRouters(s.ProbeRouters(ctx))...)
	return append(findings, examineCollector(ctx, s.Collector)...)
}

func examineRouters(probes []routing.Probe) []Finding {
	var findings []Finding
	for _, p := range probes {
		f := Finding{"router " + p.Name, Healthy, fmt.Sprintf("answers in %s", p.Took.Round(time.Millisecond)), ""}
		if p.Err != nil {
			f.Verdict, f.Detail = Failed, p.Err.Error()
			f.Hint = "check the URL and the profile in ROUTER, and whether this machine can reach it"
		}
		findings = append(findings, f)
	}
	return findings
}

// WriteText writes findings for people.
func WriteText(w io.Writer, findings []Finding) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(tab, "%s\t%s\t%s\n", f.Verdict, f.Check, f.Detail)
		if f.Hint != "" {
			fmt.Fprintf(tab, "\t\t→ %s\n", f.Hint)
		}
	}
	return tab.Flush()
}

func examineUpstreams(ctx context.Context, probe func(context.Context) ([]upstream.Probe, error)) []Finding {
	probes, err := probe(ctx)
	if err != nil {
		return []Finding{{"upstreams", Failed, err.Error(), ""}}
	}
	var findings []Finding
	for _, p := range probes {
		f := Finding{"upstream " + p.Name, Healthy, fmt.Sprintf("answers in %s", p.Took.Round(time.Millisecond)), ""}
		if !p.Data.IsZero() {
			f.Detail += ", data of " + p.Data.Format(time.DateOnly)
		}
		if p.Err != nil {
			f.Verdict, f.Detail = Failed, p.Err.Error()
			f.Hint = "check the URL in UPSTREAMS, and whether this machine can reach it"
		}
		findings = append(findings, f)
	}
	return findings
}

package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/command/doctor"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/fleet"
	"geogate/internal/memory"
	"geogate/internal/routing"
	"geogate/upstream"
)

type doctorCmd struct {
	JSON bool `help:"Print the findings as JSON."`
}

// doctorTimeout bounds the whole examination.
const doctorTimeout = 20 * time.Second

// Run examines everything and fails when anything is wrong. Warnings are
// printed and do not fail.
func (cmd doctorCmd) Run(ctx context.Context, p *Process) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	findings := examine(ctx, p.Getenv)
	for _, note := range config.Unknown(p.Environ()) {
		findings = append(findings, doctor.Finding{Check: "environment", Verdict: doctor.Warned, Detail: note})
	}
	if err := cmd.print(p, findings); err != nil {
		return err
	}
	if slices.ContainsFunc(findings, func(f doctor.Finding) bool { return f.Verdict == doctor.Failed }) {
		return errUnhealthy
	}
	return nil
}

func (cmd doctorCmd) print(p *Process, findings []doctor.Finding) error {
	if !cmd.JSON {
		return doctor.WriteText(p.Stdout, findings)
	}
	return writeJSON(p.Stdout, map[string]any{"findings": findings})
}

func examine(ctx context.Context, getenv func(string) string) []doctor.Finding {
	const check = "configuration"
	s, err := loadSettings(getenv)
	if err != nil {
		problems := []string{err.Error()}
		if wrong, ok := errors.AsType[*config.Error](err); ok {
			problems = wrong.Problems
		}
		var findings []doctor.Finding
		for _, problem := range problems {
			findings = append(findings, doctor.Finding{Check: check, Verdict: doctor.Failed, Detail: problem})
		}
		return findings
	}
	findings := []doctor.Finding{{Check: check, Verdict: doctor.Healthy, Detail: "every variable is well-formed"}}
	findings = append(findings, examineAccess(s)...)
	findings = append(findings, examineMemory(s, memory.Container())...)
	findings = append(findings, examineRegions(s)...)
	findings = append(findings, examineMap(ctx, s)...)
	redisclient.LogTo(zerolog.Nop()) // the findings say all of it
	rdb := redisclient.Open(s.redis)
	var processes *fleet.Fleet
	if s.redis != nil {
		processes = fleet.New(rdb, buildVersion(), zerolog.Nop())
	}
	var gossips *doctor.Gossip
	if s.FleetBind.IsValid() {
		gossips = &doctor.Gossip{Join: s.FleetJoin, Port: s.FleetBind.Port()}
	}
	var collector *doctor.Collector
	if tracer := newTracer(s, zerolog.Nop()); tracer != nil {
		collector = &doctor.Collector{URL: s.spans.String(), Probe: tracer.Probe}
	}
	findings = append(findings, doctor.Examine(ctx, doctor.Subject{
		Collector:   collector,
		Fleet:       processes,
		Gossip:      gossips,
		Redis:       rdb,
		SkipsVerify: s.RedisTLSSkipVerify,
		Bus:         s.NATSURL.Hosts(),
		Probe: func(ctx context.Context) ([]upstream.Probe, error) {
			chain, err := openUpstreams(s, rdb, &geocoding{files: &files{log: zerolog.Nop()}, fleet: fleet.New(rdb, buildVersion(), zerolog.Nop())}, zerolog.Nop(), nil)
			if err != nil {
				return nil, err
			}
			return chain.Probe(ctx), nil
		},
		ProbeRouters: func(ctx context.Context) []routing.Probe {
			router := routing.New(s.routers, routing.Config{Version: buildVersion(), Contact: s.UpstreamContact})
			defer router.Close()
			return router.Probe(ctx)
		},
	})...)
	if err := rdb.Close(); err != nil {
		findings = append(findings, doctor.Finding{Check: "redis", Verdict: doctor.Warned, Detail: err.Error()})
	}
	return findings
}

// examineMemory compares what a process is to hold at most with what its container has.
func examineMemory(s settings, limit int64) []doctor.Finding {
	if limit == math.MaxInt64 || s.redis == nil {
		return nil
	}
	f := doctor.Finding{
		Check: "memory", Verdict: doctor.Healthy,
		Detail: fmt.Sprintf("up to %d MiB are needed with this CACHE_MEMORY, and the container has %d MiB", memoryDemand(s).Most()>>20, limit>>20),
	}
	if memoryDemand(s).Most() > memory.Allowed(limit) {
		f.Verdict = doctor.Warned
		f.Hint = "set CACHE_MEMORY lower or take a larger container: near its limit a process does little but collect garbage"
	}
	return []doctor.Finding{f}
}

// examineRegions says what REGIONS_FILE has, so that it can be compared with that of
// other processes.
func examineRegions(s settings) []doctor.Finding {
	if s.places == nil {
		return nil
	}
	names := s.places.Names()
	shown := strings.Join(names[:min(len(names), 5)], ", ")
	if len(names) > 5 {
		shown += ", …"
	}
	return []doctor.Finding{{
		Check: "regions", Verdict: doctor.Healthy,
		Detail: fmt.Sprintf("%d by place (%s), in the file %s", len(names), shown, s.places.Digest()),
	}}
}

// examineMap says what lies under the map of the console. A style that cannot be had is
// no failure: the built-in map takes its place.
func examineMap(ctx context.Context, s settings) []doctor.Finding {
	const check = "map"
	switch {
	case s.tiles != nil:
		kind := "pictures"
		if s.tiles.Vector {
			kind = "vector tiles"
		}
		return []doctor.Finding{{
			Check: check, Verdict: doctor.Healthy,
			Detail: fmt.Sprintf("%s of zoom %d to %d in %s", kind, s.tiles.MinZoom, s.tiles.MaxZoom, s.MapPMTiles),
		}}
	case s.MapStyleURL != "":
		style, err := openMapStyle(s, zerolog.Nop()).Read(ctx)
		if err != nil {
			return []doctor.Finding{{Check: check, Verdict: doctor.Warned, Detail: err.Error() + "; the console shows the built-in map"}}
		}
		return []doctor.Finding{{Check: check, Verdict: doctor.Healthy, Detail: "the style asks " + strings.Join(style.Origins, ", ")}}
	default:
		return nil
	}
}

type healthcheckCmd struct{}

// healthcheckTimeout is below what container runtimes commonly allow.
const healthcheckTimeout = 3 * time.Second

// Run asks /healthz on this machine.
func (healthcheckCmd) Run(ctx context.Context, p *Process) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	if _, err := local(s.Config).Get(ctx, "/healthz"); err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	return nil
}

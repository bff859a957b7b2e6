package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"time"

	"geogate/internal/geo"
	"geogate/internal/simulate"
	"geogate/internal/terminal"
)

// What a simulation may ask for at most: it is a tool for examining your own
// servers, not for bringing down those of others.
const (
	maxSimulation         = time.Hour
	maxSimulatedDrivers   = 20_000
	maxSimulatedRides     = 1000 // a second
	maxSimulationRequests = 10_000
)

type simulateCmd struct {
	URLs     []string      `arg:"" optional:"" name:"url" help:"Base URLs of geogates that share one Redis, such as http://localhost:8080. Requests go to these and nowhere else. Start them with RATE_LIMIT=0, because all requests come from one address."`
	Duration time.Duration `default:"30s" help:"How long new riders come; at most 1h. Rides under way get 30s more to end."`
	Drivers  int           `default:"200" help:"Drivers on the road."`
	Rides    float64       `default:"10" help:"Rides requested in a second, on average."`
	MaxLive  int           `default:"1000" help:"Most live rides at a time."`
	Rate     int           `default:"500" help:"Most requests in a second."`
	RideTime time.Duration `default:"5s" help:"From match to completion, on average."`
	Offers   bool          `help:"Drivers wait for offers and answer them; for geogates with DISPATCH_OFFER_TTL."`
	Region   string        `help:"Region of drivers and rides."`
	Centre   position      `default:"48.1374,11.5755" help:"Centre of the town: latitude,longitude."`
	RadiusKM float64       `name:"radius-km" default:"5" help:"Radius of the town."`
	Drive    string        `placeholder:"FILE" help:"One more driver follows a recorded drive, such as testdata/traces/munich-drive-1hz.json."`
	Auth     bool          `help:"Everybody has a credential of their own, and every tenth uses it for what is not theirs. Needs ADMIN_TOKEN, and as many riders come as there are drivers. Start geogate with TOKEN_SECRET and RATE_LIMIT=0."`
	Seed     *uint64       `help:"Seed of the random numbers. Default: a new one each time; the report shows it."`
	History  string        `placeholder:"FILE" help:"Write every call and its answer to this file, as lines of JSON."`
	Check    string        `placeholder:"FILE" help:"Check a history instead of simulating."`
	JSON     bool          `name:"json" help:"Print the report as JSON."`
}

// position is lat,lon on the command line.
type position geo.Point

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *position) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%g,%g", &p.Lat, &p.Lon); err != nil || !geo.Point(*p).Valid() {
		return errors.New("want latitude,longitude in degrees, such as 48.1374,11.5755")
	}
	return nil
}

// Validate is called by kong after the flags are read.
func (c *simulateCmd) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check((len(c.URLs) > 0) != (c.Check != ""), "name the base URL of a geogate, such as http://localhost:8080, or a history with --check")
	check(c.Duration > 0 && c.Duration <= maxSimulation, "--duration must be above 0s and at most %s", maxSimulation)
	check(c.Drivers > 0 && c.Drivers <= maxSimulatedDrivers, "--drivers must be from 1 to %d", maxSimulatedDrivers)
	check(c.Rides > 0 && c.Rides <= maxSimulatedRides, "--rides must be above 0 and at most %d", maxSimulatedRides)
	check(c.MaxLive > 0 && c.MaxLive <= maxSimulatedDrivers, "--max-live must be from 1 to %d", maxSimulatedDrivers)
	check(c.Rate > 0 && c.Rate <= maxSimulationRequests, "--rate must be from 1 to %d", maxSimulationRequests)
	check(c.RideTime > 0 && c.RideTime <= maxSimulation, "--ride-time must be above 0s and at most %s", maxSimulation)
	check(c.RadiusKM > 0 && c.RadiusKM <= 100, "--radius-km must be above 0 and at most 100")
	return errors.Join(errs...)
}

// Run simulates, or checks what a simulation has written.
func (c *simulateCmd) Run(ctx context.Context, p *Process) error {
	if c.Check != "" {
		return c.check(p)
	}
	cfg := simulate.Config{
		Duration: c.Duration, Drivers: c.Drivers, RidesPerSecond: c.Rides, MaxLive: c.MaxLive,
		RequestsPerSecond: c.Rate, RideTime: c.RideTime, Offers: c.Offers, Region: c.Region,
		Centre: geo.Point(c.Centre), RadiusM: c.RadiusKM * 1000,
		Seed: mathrand.Uint64(),
	}
	if c.Seed != nil {
		cfg.Seed = *c.Seed
	}
	if c.Auth {
		return c.simulateAuth(ctx, p, cfg.Seed)
	}
	if c.Drive != "" {
		f, err := os.Open(c.Drive)
		if err != nil {
			return fmt.Errorf("open drive: %w", err)
		}
		defer func() { _ = f.Close() }()
		if cfg.Drive, err = simulate.ReadDrive(f); err != nil {
			return err
		}
	}
	if c.History == "" {
		return c.simulate(ctx, p, cfg)
	}
	f, err := os.Create(c.History)
	if err != nil {
		return fmt.Errorf("create history: %w", err)
	}
	cfg.History = f
	return errors.Join(c.simulate(ctx, p, cfg), f.Close())
}

func (c *simulateCmd) simulate(ctx context.Context, p *Process, cfg simulate.Config) error {
	if terminal.Is(p.Stderr) {
		cfg.Progress = func(r simulate.Report) {
			line := fmt.Sprintf("%3.0f s  %d rides, %d matched, %d requests, %d positions", r.Seconds, r.Rides, r.Matched, r.Requests, r.Positions)
			fmt.Fprintf(p.Stderr, "\r\x1b[K%.79s", line) // a line that wraps cannot be written over
		}
		defer fmt.Fprint(p.Stderr, "\r\x1b[K")
	}
	report, err := simulate.Run(ctx, c.URLs, cfg)
	if err != nil {
		return err
	}
	if err := c.print(p.Stdout, report); err != nil {
		return err
	}
	if rateLimited(report) {
		fmt.Fprintln(p.Stderr, "geogate: simulate: geogate limited the rate of requests: start it with RATE_LIMIT=0")
	}
	switch {
	case len(report.Violations) > 0:
		return errUnhealthy
	case report.Rides > 0 && report.Lost == report.Rides:
		return errors.New("simulate: no ride got an answer: is geogate running there?")
	}
	return nil
}

func (c *simulateCmd) print(w io.Writer, report simulate.Report) error {
	if !c.JSON {
		return report.WriteText(w)
	}
	return writeJSON(w, report)
}

func rateLimited(report simulate.Report) bool {
	for what := range report.Errors {
		if strings.Contains(what, "rate_limited") {
			return true
		}
	}
	return false
}

// check checks a history, which may come from another machine.
func (c *simulateCmd) check(p *Process) error {
	f, err := os.Open(c.Check)
	if err != nil {
		return fmt.Errorf("open history: %w", err)
	}
	defer func() { _ = f.Close() }()
	violations, records, err := simulate.CheckHistory(f)
	if err != nil {
		return err
	}
	if c.JSON {
		if violations == nil {
			violations = []string{}
		}
		err = writeJSON(p.Stdout, map[string]any{"records": records, "violations": violations})
	} else {
		fmt.Fprintf(p.Stdout, "%d records, %d violations\n", records, len(violations))
		for _, v := range violations {
			fmt.Fprintln(p.Stdout, v)
		}
	}
	if err == nil && len(violations) > 0 {
		return errUnhealthy
	}
	return err
}

// simulateAuth lets people with credentials of their own use geogate, and cheats
// among them.
func (c *simulateCmd) simulateAuth(ctx context.Context, p *Process, seed uint64) error {
	s, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	if s.AdminToken == "" {
		return errors.New("simulate --auth: set ADMIN_TOKEN to that of the geogates, which mint the credentials")
	}
	report, err := simulate.RunAuth(ctx, c.URLs, simulate.AuthConfig{
		AdminToken: string(s.AdminToken), Duration: c.Duration, Drivers: c.Drivers, RequestsPerSecond: c.Rate, Seed: seed, Centre: geo.Point(c.Centre),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(p.Stdout, report)
	} else {
		err = report.WriteText(p.Stdout)
	}
	if err == nil && !report.Sound() {
		return errUnhealthy
	}
	return err
}

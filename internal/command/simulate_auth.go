package command

import (
	"context"
	"errors"

	"geogate/internal/geo"
	"geogate/internal/simulate"
)

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

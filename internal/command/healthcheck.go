package command

import (
	"context"
	"fmt"
	"time"
)

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

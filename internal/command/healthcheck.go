package command

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
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
	url := fmt.Sprintf("http://%s/healthz", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("ask healthz: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask healthz: status %d", res.StatusCode)
	}
	return nil
}

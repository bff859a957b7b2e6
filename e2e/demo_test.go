package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var demoAddress = regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/console/\n$`)

// TestDemo takes the command from an environment with nothing in it, or with settings of
// a real geogate, to a town that moves.
func TestDemo(t *testing.T) {
	t.Parallel()
	vars := env{"PORT": "0", "REDIS_URL": "redis://127.0.0.1:1", "UPSTREAMS": "nonsense", "ADMIN_TOKEN": "s3cret"}
	p := launchUntil(t, vars, func(p *process) []string { return demoAddress.FindStringSubmatch(p.Stdout.String()) }, "demo", "--no-open")
	if page := p.get(t, "/console/"); page.Status != http.StatusOK || !strings.Contains(string(page.Body), "<title>geogate</title>") {
		t.Errorf("the console: %s", page)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/v2/map/events?bbox=11,48,12,49", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var seen strings.Builder
	eventually(t, startTimeout, "drivers move and a ride is matched", func() error {
		var piece [4096]byte
		n, err := res.Body.Read(piece[:])
		seen.Write(piece[:n])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if strings.Count(seen.String(), "event: drivers") < 3 || !strings.Contains(seen.String(), `"state":"matched"`) {
			return errors.New("not yet")
		}
		return nil
	})
	leave()
	p.stop(t) // in time, and with exit code 0
	if out := p.Stdout.String(); !demoAddress.MatchString(out) {
		t.Errorf("it printed more than one address: %q", out)
	}
}

// Start measures how long a geogate takes from its start until /readyz is 200, beside
// another binary, on a Redis of their own. It prints a Markdown table.
//
//	go build -o bin/ ./bench/start && bin/start -geogate bin/geogate -beside OLDER
//
// It needs redis-server and taskset on the PATH.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"geogate/bench/contender"
	"geogate/bench/machine"
	"geogate/internal/pause"
)

type options struct {
	geogate, beside string
	rounds          int
}

func main() {
	var o options
	flag.StringVar(&o.geogate, "geogate", "bin/geogate", "the binary to start")
	flag.StringVar(&o.beside, "beside", "", "another binary, which is started in the same rounds")
	flag.IntVar(&o.rounds, "rounds", 50, "starts of each")
	machine.Main(func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := contender.Folder()
	if err != nil {
		return err
	}
	redis, stop, err := contender.StartRedis(ctx, dir, "0,1")
	if err != nil {
		return err
	}
	defer stop()
	binaries := []string{o.geogate}
	if o.beside != "" {
		binaries = append(binaries, o.beside)
	}
	took := make([][]time.Duration, len(binaries))
	for round := range o.rounds + 1 { // the first one warms up
		for i, binary := range binaries {
			d, err := start(ctx, contender.Geogate(binary, redis, "UPSTREAMS=gazetteer"), dir)
			if err != nil {
				return err
			}
			if round > 0 {
				took[i] = append(took[i], d)
			}
		}
	}
	fmt.Fprintf(out, "%s\n### Until /readyz is 200\n\n%d starts of each by turns, with a Redis and the built-in gazetteer.\n\n", contender.Machine(ctx), o.rounds)
	fmt.Fprintln(out, "| | p50 | p90 |\n|---|---|---|")
	for i, name := range []string{"geogate", "beside"}[:len(binaries)] {
		slices.Sort(took[i])
		fmt.Fprintf(out, "| %s | %.1f ms | %.1f ms |\n", name, milliseconds(took[i][o.rounds/2]), milliseconds(took[i][o.rounds*9/10]))
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// start is how long a server takes until it is ready. It stops it.
func start(ctx context.Context, command contender.Command, dir string) (time.Duration, error) {
	addr, err := contender.FreeAddr(ctx)
	if err != nil {
		return 0, err
	}
	cmd, err := command(ctx, dir, addr, "")
	if err != nil {
		return 0, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
		if err != nil {
			return 0, fmt.Errorf("ask %s: %w", cmd.Path, err)
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			return 0, fmt.Errorf("%s is not ready after %s", cmd.Path, took)
		}
		if err := pause.For(ctx, 100*time.Microsecond); err != nil {
			return 0, fmt.Errorf("wait for %s: %w", cmd.Path, err)
		}
	}
}

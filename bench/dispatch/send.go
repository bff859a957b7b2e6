package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

var (
	rateLine = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	sentLine = regexp.MustCompile(`(\d+) requests in`)
	p99Line  = regexp.MustCompile(`\s99%\s+([\d.]+\w+)`)
	badLine  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	lostLine = regexp.MustCompile(`Socket errors: .*`)

	// csvLine of redis-benchmark: the test, its rate, and the average, least, p50, p95, p99
	// and most of its milliseconds.
	csvLine = regexp.MustCompile(`","([\d.]+)"(?:,"[\d.]+"){4},"([\d.]+)","[\d.]+"\s*$`)
)

// wrk posts from the core of the load.
func wrk(ctx context.Context, o options, url, script string, b batch) (measured, error) {
	text, err := exec.CommandContext(ctx, "taskset", "-c", loadCore, "wrk", "-t1", "-c", strconv.Itoa(b.connections), "-d", o.duration.String(),
		"--latency", "--timeout", "10s", "-s", script, url, "--", strconv.Itoa(b.size), strconv.Itoa(tracked)).CombinedOutput()
	if err != nil {
		return measured{}, fmt.Errorf("wrk: %w: %s", err, text)
	}
	if lost := lostLine.Find(text); lost != nil {
		return measured{}, fmt.Errorf("wrk: %s", lost)
	}
	rate, err := number(rateLine, text)
	if err != nil {
		return measured{}, err
	}
	sent, err := number(sentLine, text)
	if err != nil {
		return measured{}, err
	}
	bad := 0.0
	if badLine.Match(text) {
		if bad, err = number(badLine, text); err != nil {
			return measured{}, err
		}
	}
	found := p99Line.FindSubmatch(text)
	if found == nil {
		return measured{}, fmt.Errorf("no p99 in: %s", text)
	}
	p99, err := time.ParseDuration(string(found[1]))
	size := float64(b.size)
	return measured{perSecond: rate * size * (1 - bad/sent), stored: (sent - bad) * size, p99: p99, refused: int(bad)}, err
}

// arrays posts the largest arrays, and counts until the last of them is answered: wrk
// drops what is under way at the end, which is much of so few.
func arrays(ctx context.Context, o options, url string, b batch) (measured, error) {
	var texts [][]byte // which move everybody, whoever comes next
	for body := range slices.Chunk(city(2*b.connections*b.size), b.size) {
		for i := range body {
			body[i].ID = strconv.Itoa(i)
		}
		text, err := json.Marshal(body)
		if err != nil {
			return measured{}, err
		}
		texts = append(texts, text)
	}
	var group errgroup.Group
	var next, refused atomic.Int64
	var lock sync.Mutex
	var took []time.Duration
	began := time.Now()
	for range b.connections {
		group.Go(func() error {
			for time.Since(began) < o.duration {
				text := texts[int(next.Add(1))%len(texts)]
				asked := time.Now()
				_, err := send(ctx, url+"/tracking", text)
				answered := time.Since(asked)
				if errors.Is(err, errStatus) {
					refused.Add(1)
				} else if err != nil {
					return err
				}
				lock.Lock()
				took = append(took, answered)
				lock.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return measured{}, err
	}
	all := time.Since(began)
	bad := int(refused.Load())
	stored := float64((len(took) - bad) * b.size)
	return measured{perSecond: stored / all.Seconds(), stored: stored, p99: percentile(took, 0.99), refused: bad}, nil
}

// What redis-benchmark makes of its commands: each __rand_int__ becomes another number of
// twelve digits, below how many drivers there are. The town is eleven kilometres wide.
const (
	someDriver = "__rand_int__"
	inTown     = "__rand_int__e-5" // degrees
)

// redisBenchmark sends commands of one position, as many of them in a pipeline as the
// batch has, from a core: the most that a server can take from anybody.
func redisBenchmark(ctx context.Context, core, addr string, b batch, commands int, command ...string) (measured, error) {
	_, port, _ := strings.Cut(addr, ":")
	text, err := exec.CommandContext(ctx, "taskset", append([]string{
		"-c", core, "redis-benchmark", "-p", port, "--csv", "-c", strconv.Itoa(b.connections),
		"-P", strconv.Itoa(b.size), "-n", strconv.Itoa(commands), "-r", strconv.Itoa(tracked),
	}, command...)...).CombinedOutput()
	if err != nil {
		return measured{}, fmt.Errorf("redis-benchmark: %w: %s", err, text)
	}
	m := measured{stored: float64(commands)}
	if m.perSecond, err = number(csvLine, text); err != nil {
		return measured{}, err
	}
	if b.size == 1 { // of a pipeline it measures the time to the first answer
		p99, err := strconv.ParseFloat(string(csvLine.FindSubmatch(text)[2]), 64)
		m.p99 = time.Duration(p99 * float64(time.Millisecond))
		return m, err
	}
	return m, nil
}

// commands is how many redis-benchmark sends to be busy for about as long as others.
func (o options) commands(b batch) int {
	perSecond := 20_000
	if b.size > 1 {
		perSecond *= 4
	}
	return int(o.duration.Seconds() * float64(perSecond))
}

// number returns what the last match of a pattern holds.
func number(pattern *regexp.Regexp, text []byte) (float64, error) {
	found := pattern.FindAllSubmatch(text, -1)
	if found == nil {
		return 0, fmt.Errorf("no rate in: %s", text)
	}
	return strconv.ParseFloat(string(found[len(found)-1][1]), 64)
}

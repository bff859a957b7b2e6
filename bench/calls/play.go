package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An origin stands for the geocoder: it counts what reaches it and answers by
// what the request means.
type origin struct {
	addr  string
	calls atomic.Int64
	http  *http.Server
}

// startOrigin serves on loopback, each answer after delay.
func startOrigin(ctx context.Context, delay time.Duration) (*origin, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	o := &origin{addr: l.Addr().String()}
	o.http = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.calls.Add(1)
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(answerFor(meaning(r.URL.Path, r.URL.Query(), r.Header)))
	})}
	go func() { _ = o.http.Serve(l) }()
	return o, nil
}

func (o *origin) stop() { _ = o.http.Close() }

// A score is how a server did.
type score struct {
	calls  int64 // that reached the origin
	wrong  int   // answers to another question than the one asked
	failed int   // no answer, or another status than 200
	first  error // of the failed ones
	took   []time.Duration
}

// quantile is the time within which a part q of the answers came.
func (s *score) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s.took))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// workers bound how many requests are under way at once.
const workers = 64

// play sends mix to the server at base, perSecond requests a second at even
// intervals, and judges each answer.
func play(ctx context.Context, base string, mix []request, perSecond int, o *origin) *score {
	transport := &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}
	defer transport.CloseIdleConnections()
	s := &score{calls: -o.calls.Load()}
	var mu sync.Mutex
	queue := make(chan request, len(mix))
	var senders sync.WaitGroup
	for range workers {
		senders.Go(func() {
			for r := range queue {
				start := time.Now()
				right, err := ask(ctx, transport, base, r)
				took := time.Since(start)
				mu.Lock()
				s.took = append(s.took, took)
				switch {
				case err != nil:
					s.failed++
					s.first = err
				case !right:
					s.wrong++
				}
				mu.Unlock()
			}
		})
	}
	const perTick = 100 // ticks a second
	tick := time.NewTicker(time.Second / perTick)
	defer tick.Stop()
	for batch := range slices.Chunk(mix, max(1, perSecond/perTick)) {
		<-tick.C
		for _, r := range batch {
			queue <- r
		}
	}
	close(queue)
	senders.Wait()
	s.calls += o.calls.Load()
	return s
}

// ask reports whether the server answers what r asked.
func ask(ctx context.Context, transport *http.Transport, base string, r request) (right bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+r.target, nil)
	if err != nil {
		return false, err
	}
	req.Header = r.header.Clone()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return false, err
	}
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("status %d: %.100s", res.StatusCode, body)
	}
	if cell := res.Header.Get("X-Cache-Cell"); cell != "" {
		if r, err = atCell(r, cell); err != nil {
			return false, err
		}
	}
	want, err := r.meaning()
	if err != nil {
		return false, err
	}
	return bytes.Equal(body, answerFor(want)), nil
}

// atCell is r with the position that a server says it has asked in its place.
// An error means that it had no right to.
func atCell(r request, cell string) (request, error) {
	centre, size, _ := strings.Cut(cell, ";metres=")
	latText, lonText, _ := strings.Cut(centre, ",")
	u, err := url.Parse(r.target)
	if err != nil {
		return r, err
	}
	query := u.Query()
	metres, err := strconv.ParseFloat(size, 64)
	if err != nil {
		return r, fmt.Errorf("cell %q: %w", cell, err)
	}
	lat, north, err := apart(query.Get("lat"), latText)
	if err != nil {
		return r, err
	}
	_, east, err := apart(query.Get("lon"), lonText)
	if err != nil {
		return r, err
	}
	east *= math.Cos(lat * math.Pi / 180)
	if away := math.Hypot(north, east); away > metres*math.Sqrt2/2*1.01 {
		return r, fmt.Errorf("cell %q is %.1f m away", cell, away)
	}
	query.Set("lat", latText)
	query.Set("lon", lonText)
	return request{u.Path + "?" + query.Encode(), r.header}, nil
}

// apart is the distance of two degrees in metres of latitude.
func apart(asked, centre string) (degrees, metres float64, err error) {
	a, err := strconv.ParseFloat(asked, 64)
	if err != nil {
		return 0, 0, err
	}
	b, err := strconv.ParseFloat(centre, 64)
	if err != nil {
		return 0, 0, err
	}
	return a, (b - a) * 111_320, nil
}

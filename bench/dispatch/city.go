package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"geogate/bench/machine"
)

// point is a position as the wire has it.
type point struct {
	ID  string  `json:"id,omitempty"`
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

// centre is where the city is, in degrees.
var centre = point{Lat: -33.44262, Lng: -70.63054}

// city returns drivers spread as in a city: around twelve centres, three of four of
// them within about a kilometre, the rest within ten.
func city(n int) []point {
	rng := rand.New(rand.NewPCG(1, 1))
	var centres [12]point
	for i := range centres {
		centres[i] = point{Lat: centre.Lat + rng.NormFloat64()*0.05, Lng: centre.Lng + rng.NormFloat64()*0.05}
	}
	all := make([]point, n)
	for i := range all {
		spread := 0.01
		if rng.IntN(4) == 0 {
			spread = 0.1
		}
		c := centres[rng.IntN(len(centres))]
		all[i] = point{
			ID:  strconv.Itoa(i),
			Lat: c.Lat + rng.NormFloat64()*spread, Lng: c.Lng + rng.NormFloat64()*spread,
		}
	}
	return all
}

// somewhere is a random point within about two kilometres of the centre.
func somewhere(rng *rand.Rand) point {
	return point{Lat: centre.Lat + (rng.Float64()-0.5)*0.03, Lng: centre.Lng + (rng.Float64()-0.5)*0.03}
}

// sizes is a flag: whole numbers with commas between.
type sizes []int

func (s *sizes) String() string { return strings.Trim(fmt.Sprint(*s), "[]") }

// Set implements flag.Value.
func (s *sizes) Set(text string) error {
	*s = nil
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a whole number above 0", field)
		}
		*s = append(*s, n)
	}
	return nil
}

// client keeps its connections.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}

// errStatus is the error of an answer that is not 200.
var errStatus = errors.New("status")

// post sends JSON and returns the body of an answer of 200.
func post(ctx context.Context, url string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return send(ctx, url, text)
}

// send is post of what is JSON already.
func send(ctx context.Context, url string, text []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("POST %s: %w %d: %.300s", url, errStatus, res.StatusCode, answer)
	}
	return answer, err
}

// load reports drivers in arrays as large as they may be. It repeats what a busy
// machine lets fail.
func load(ctx context.Context, url string, drivers []point) error {
	for chunk := range slices.Chunk(drivers, 10_000) {
		if err := machine.Await(ctx, func(ctx context.Context) error {
			_, err := post(ctx, url+"/tracking", chunk)
			return err
		}); err != nil {
			return fmt.Errorf("load drivers: %w", err)
		}
	}
	return nil
}

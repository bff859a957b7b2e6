package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"geogate/internal/pause"
)

// clientFrom is a client with an address of this machine.
func clientFrom(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 5 * time.Second}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 4, DisableCompression: true},
		Timeout:   10 * time.Second,
	}
}

// people are n riders and drivers, each with an address of their own, who do
// something every second or so until ctx ends.
func people(ctx context.Context, target string, n int, r *record) {
	var all sync.WaitGroup
	for i := range n {
		client := clientFrom(fmt.Sprintf("127.0.1.%d", i+1))
		all.Go(func() {
			defer client.CloseIdleConnections()
			person(ctx, client, "http://"+target, i, r)
		})
	}
	all.Wait()
}

func person(ctx context.Context, client *http.Client, base string, i int, r *record) {
	lat, lng := -33.44+float64(i%14)/1000, -70.63+float64(i/14)/1000
	towns := []string{"Vaduz", "Zurich", "Paris", "Santiago", "Berlin"}
	for pause.For(ctx, time.Duration(500+rand.IntN(1000))*time.Millisecond) == nil {
		method, path, body := http.MethodPost, "/tracking", fmt.Sprintf(`{"id":"honest%d","lat":%f,"lng":%f}`, i, lat, lng)
		if i%2 == 1 { // a rider
			switch rand.IntN(3) {
			case 0:
				method, path, body = http.MethodGet, "/search?q="+towns[rand.IntN(len(towns))], ""
			case 1:
				path, body = "/search", fmt.Sprintf(`{"lat":%f,"lng":%f,"limit":5}`, lat, lng)
			case 2:
				method, path, body = http.MethodGet, "/api?q="+towns[rand.IntN(len(towns))], ""
			}
		}
		connected := false
		tracing := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { connected = !c.Reused }})
		began := time.Now()
		status, code, err := send(tracing, client, method, base+path, body)
		why := ""
		switch {
		case ctx.Err() != nil: // the end has come in the middle of it
			return
		case err != nil:
			why = fmt.Sprintf("%s %s: %v", method, strings.SplitN(path, "?", 2)[0], root(err))
		case status != http.StatusOK:
			why = fmt.Sprintf("%s %s: %d %s", method, strings.SplitN(path, "?", 2)[0], status, code)
		}
		r.note(began, connected, why)
	}
}

// root is what went wrong below all that net/http says about it, without the ports,
// which are others each time.
func root(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// send returns the status of an answer, and the code of a problem.
func send(ctx context.Context, client *http.Client, method, url, body string, header ...string) (status int, code string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		var problem struct{ Code string }
		if json.NewDecoder(res.Body).Decode(&problem) == nil {
			code = problem.Code
		}
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, code, err
}

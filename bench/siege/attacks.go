package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"geogate/internal/pause"
)

// tally counts what was tried. It is safe for concurrent use.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of[name]++
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for name, n := range t.of {
		list = append(list, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// flood is an attack by requests, sent one after the other.
type flood struct {
	name, method, path string
	body               func(n int) string
	header             []string
	pause              time.Duration
}

func always(text string) func(int) string { return func(int) string { return text } }

var floods = []flood{
	{"unclosed quotes", "POST", "/v2/jobs", always(strings.Repeat("x\",\"a\n", 1<<20/6)), []string{"Content-Type", "text/csv"}, time.Second},
	{"equal columns", "POST", "/v2/jobs", always(strings.Repeat("q,", 1000) + "q\n" + strings.Repeat("a,", 1000) + "a\n"), []string{"Content-Type", "text/csv"}, time.Second},
	{"long columns", "POST", "/v2/jobs", always(strings.Repeat(strings.Repeat("c", 200)+",", 1000) + "q\n" + strings.Repeat(strings.Repeat(",", 1000)+"a\n", 1000)), []string{"Content-Type", "text/csv"}, time.Second},
	{"NDJSON names", "POST", "/v2/jobs", ndjson, []string{"Content-Type", "application/x-ndjson"}, time.Second},
	{"made-up drivers", "POST", "/tracking", func(n int) string {
		return fmt.Sprintf(`{"id":"fake%d","lat":%f,"lng":%f}`, n, float64(n%80), float64(n%170))
	}, nil, 10 * time.Millisecond},
	{"million elements", "POST", "/tracking", always("[" + strings.Repeat("1,", 999_999) + "1]"), nil, 100 * time.Millisecond},
	{"queries that find nothing", "GET", "/search?q=", nil, nil, 5 * time.Millisecond},
	{"guesses", "GET", "/metrics", nil, []string{"Authorization", "Bearer guess"}, 10 * time.Millisecond},
	{"preflights", "OPTIONS", "/api", nil, []string{"Origin", "http://evil.example", "Access-Control-Request-Method", "GET"}, 5 * time.Millisecond},
	{"regions", "POST", "/tracking", func(n int) string {
		return fmt.Sprintf(`{"id":"1","lat":1,"lng":1,"region":"r%d"}`, n)
	}, nil, 50 * time.Millisecond},
}

// attack runs every attack from every address until ctx ends.
func attack(ctx context.Context, target string, addresses int, t *tally) {
	var all sync.WaitGroup
	for i := range addresses {
		address := fmt.Sprintf("127.0.0.%d", i+2)
		for _, f := range floods {
			all.Go(func() { f.run(ctx, address, target, i, t) })
		}
		all.Go(func() { hold(ctx, address, target, "idle", 1200/addresses+200, "", t) })
		all.Go(func() { hold(ctx, address, target, "half requests", 200, "GET /search?q=a HTTP/1.1\r\nHo", t) })
		all.Go(func() {
			hold(ctx, address, target, "trickled uploads", 8,
				"POST /v2/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\n\r\nq\n", t)
		})
		all.Go(func() {
			if job := amplified(ctx, address, target); job != "" {
				hold(ctx, address, target, "open downloads", 12, "GET /v2/jobs/"+job+"/result?format=geojson HTTP/1.1\r\nHost: x\r\n\r\n", t)
			}
		})
		all.Go(func() {
			if ride := rideOf(ctx, address, target); ride != "" {
				hold(ctx, address, target, "streams", 300, "GET /v2/requests/"+ride+"/events HTTP/1.1\r\nHost: x\r\n\r\n", t)
			}
		})
	}
	all.Wait()
}

// ndjson is one line of as many names as a job may have, of 64 letters each.
func ndjson(n int) string {
	var b strings.Builder
	for i := range 900 {
		fmt.Fprintf(&b, `,"%032d%032d":""`, n, i)
	}
	return `{"q":"x"` + b.String() + "}\n"
}

// amplified makes a job whose result is far larger than itself, and waits for it.
func amplified(ctx context.Context, address, target string) (id string) {
	client := clientFrom(address)
	defer client.CloseIdleConnections()
	var names strings.Builder
	for i := range 900 {
		fmt.Fprintf(&names, ",%060d", i)
	}
	body := names.String()[1:] + "\n" + strings.Repeat("x\n", 500)
	for pause.For(ctx, time.Second) == nil {
		if id == "" {
			id = post(ctx, client, "http://"+target+"/v2/jobs?header=1", "text/csv", body, "job_id")
		} else if post(ctx, client, "http://"+target+"/v2/jobs/"+id, "", "", "state") == "finished" {
			return id
		}
	}
	return ""
}

// post returns a text of an answer in JSON, "" when there is none. Without a body it
// is a GET.
func post(ctx context.Context, client *http.Client, url, contentType, body, field string) string {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return ""
	}
	req.Header.Set("Content-Type", contentType)
	res, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	answer := map[string]any{}
	if json.NewDecoder(res.Body).Decode(&answer) != nil {
		return ""
	}
	text, _ := answer[field].(string)
	return text
}

// rideOf asks for a ride far from everybody, whose events can be followed.
func rideOf(ctx context.Context, address, target string) (id string) {
	client := clientFrom(address)
	defer client.CloseIdleConnections()
	return post(ctx, client, "http://"+target+"/v2/search", "application/json", `{"lat":-60,"lng":0}`, "request_id")
}

func (f *flood) run(ctx context.Context, address, target string, seed int, t *tally) {
	client := clientFrom(address)
	defer client.CloseIdleConnections()
	for n := seed * 1_000_000; pause.For(ctx, f.pause) == nil; n++ {
		body, path := "", f.path
		if f.body != nil {
			body = f.body(n)
		}
		if strings.HasSuffix(path, "=") {
			path += fmt.Sprintf("nowhere%d", n)
		}
		_, _, _ = send(ctx, client, f.method, "http://"+target+path, body, f.header...) // what comes back is no concern
		t.add(f.name)
	}
}

// hold keeps n connections on which no more than beginning is ever sent, but for a
// byte now and then, and opens new ones for those that were closed.
func hold(ctx context.Context, address, target, name string, n int, beginning string, t *tally) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: time.Second}
	held := make([]net.Conn, n)
	defer func() {
		for _, c := range held {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for ctx.Err() == nil {
		for i, c := range held {
			if c != nil {
				_ = c.SetReadDeadline(time.Now().Add(time.Millisecond / 10))
				_, err := io.CopyN(io.Discard, c, 4096)
				if err == nil || isTimeout(err) {
					continue
				}
				_ = c.Close()
			}
			held[i] = nil
			if c, err := dialer.DialContext(ctx, "tcp", target); err == nil {
				_, _ = io.WriteString(c, beginning)
				held[i] = c
				t.add(name)
			}
		}
		if pause.For(ctx, time.Second) != nil {
			return
		}
		if beginning != "" {
			for _, c := range held {
				if c != nil {
					_, _ = io.WriteString(c, "a")
				}
			}
		}
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // of a connection, never wrapped
	return ok && timeout.Timeout()
}

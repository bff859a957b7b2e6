package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// answer is a whole HTTP answer.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// String is for messages of tests.
func (a answer) String() string {
	return fmt.Sprintf("%d %s %.300s", a.Status, a.Header.Get("Content-Type"), a.Body)
}

// do sends a request; header holds pairs of names and values. A body counts
// as JSON unless they say otherwise. It may be called by any goroutine.
func (p *process) do(ctx context.Context, method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	begin := time.Now()
	res, err := p.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{res.StatusCode, res.Header, content, time.Since(begin)}, nil
}

func (p *process) get(tb testing.TB, path string, header ...string) answer {
	tb.Helper()
	return p.send(tb, http.MethodGet, path, "", header...)
}

func (p *process) post(tb testing.TB, path, body string, header ...string) answer {
	tb.Helper()
	return p.send(tb, http.MethodPost, path, body, header...)
}

func (p *process) send(tb testing.TB, method, path, body string, header ...string) answer {
	tb.Helper()
	a, err := p.do(tb.Context(), method, path, body, header...)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// sendRaw sends a request line and header lines as they are, however malformed,
// on a connection of their own.
func (p *process) sendRaw(tb testing.TB, method, target string, headerLines ...string) answer {
	tb.Helper()
	return p.dial(tb).send(tb, method, target, headerLines...)
}

// rawConn is a connection for one request.
type rawConn struct {
	net.Conn
	host string
}

func (p *process) dial(tb testing.TB) rawConn {
	tb.Helper()
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return rawConn{conn, p.Addr}
}

func (c rawConn) send(tb testing.TB, method, target string, headerLines ...string) answer {
	tb.Helper()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	lines := append([]string{method + " " + target + " HTTP/1.1", "Host: " + c.host, "Connection: close"}, headerLines...)
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		tb.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		tb.Fatalf("%s %q: %v", method, target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("%s %q: %v", method, target, err)
	}
	return answer{Status: res.StatusCode, Header: res.Header, Body: body}
}

// decode reads the JSON body of an answer that must have this status.
func decode[T any](tb testing.TB, a answer, status int) T {
	tb.Helper()
	var v T
	if a.Status != status {
		tb.Fatalf("answer is %s, want status %d", a, status)
	}
	if err := json.Unmarshal(a.Body, &v); err != nil {
		tb.Fatalf("answer is %s: %v", a, err)
	}
	return v
}

// problem is the body of an error (RFC 9457).
type problem struct {
	Type, Title, Detail, Instance, Code, Hint, State string
	Status                                           int
}

// checkProblem checks that an error is told in full and in the right shape.
func checkProblem(a answer, status int) (problem, error) {
	var p problem
	if a.Status != status {
		return p, fmt.Errorf("answer is %s, want status %d", a, status)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		return p, fmt.Errorf("content type is %q, want application/problem+json", got)
	}
	if err := json.Unmarshal(a.Body, &p); err != nil {
		return p, fmt.Errorf("%s: %w", a, err)
	}
	wantInstance := "urn:request:" + a.Header.Get("X-Request-Id")
	if p.Status != status || p.Type == "" || p.Title == "" || p.Detail == "" || p.Code == "" || p.Instance != wantInstance {
		return p, fmt.Errorf("problem is %s, want all of type, title, detail, code, status %d and instance %q", a, status, wantInstance)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return p, checkRetryAfter(a)
	}
	return p, nil
}

func checkRetryAfter(a answer) error {
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || n < 1 {
		return fmt.Errorf("Retry-After is %q, want whole seconds", a.Header.Get("Retry-After"))
	}
	return nil
}

// wantProblem is checkProblem for the goroutine of the test.
func wantProblem(tb testing.TB, a answer, status int) problem {
	tb.Helper()
	p, err := checkProblem(a, status)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

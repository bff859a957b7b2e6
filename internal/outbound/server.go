package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"geogate/internal/trace"
)

// maxBody is the largest answer in bytes that is taken. Fifty places with
// full outlines stay well below it, and so do 2,500 pairs of a matrix.
const maxBody = 8 << 20

// maxRetryAfter bounds how long a server can send us away with one answer.
const maxRetryAfter = 24 * time.Hour

// NewClient returns the HTTP client that the servers of a chain share. It
// follows no redirects and keeps no cookies, and it takes no proxy from the
// environment: where questions go is decided in UPSTREAMS and ROUTER alone.
func NewClient() *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           256,
			MaxIdleConnsPerHost:    32,
			MaxConnsPerHost:        128,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    5 * time.Second,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A Reply is a complete HTTP answer with a status that the caller has to judge.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}

// A Server says where a provider is asked, and how.
type Server struct {
	Provider  string // name in answers, errors and metrics
	Base      string // scheme, user information, host and path, without a trailing slash
	Secret    string // query parameters of the operator, encoded: keys
	Client    *http.Client
	UserAgent string
	Timeout   time.Duration // of one call
}

// Get asks for a path, with an Accept-Language unless that is empty. The errors
// are *Error and never show the URL.
func (s *Server) Get(ctx context.Context, path, query, acceptLanguage string) (Reply, error) {
	header := http.Header{}
	if acceptLanguage != "" {
		header.Set("Accept-Language", acceptLanguage)
	}
	return s.send(ctx, http.MethodGet, path, query, header, nil)
}

// PostJSON is Get for a question that is JSON.
func (s *Server) PostJSON(ctx context.Context, path string, body []byte) (Reply, error) {
	return s.send(ctx, http.MethodPost, path, "", http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
}

func (s *Server) send(ctx context.Context, method, path, query string, header http.Header, body io.Reader) (Reply, error) {
	if s.Secret != "" {
		query = strings.TrimPrefix(query+"&"+s.Secret, "&")
	}
	target := s.Base + path
	if query != "" || method == http.MethodGet {
		target += "?" + query
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	ctx, span := trace.Start(ctx, trace.Client, "ask "+s.Provider)
	defer span.End()
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return Reply{}, s.Fail(ErrUnavailable, errors.New("malformed URL"))
	}
	req.Header = header
	req.Header.Set("User-Agent", s.UserAgent)
	if parent := trace.Header(ctx); parent != "" {
		req.Header.Set(trace.HeaderName, parent)
	}
	span.Set("http.request.method", method)
	resp, err := s.Client.Do(req)
	if err != nil {
		broken := s.broken(ErrUnavailable, err)
		span.Fail(broken.Kind.Error())
		return Reply{}, broken
	}
	defer func() { _ = resp.Body.Close() }()
	span.SetNumber("http.response.status_code", int64(resp.StatusCode))
	if resp.StatusCode >= http.StatusBadRequest {
		span.Fail(http.StatusText(resp.StatusCode))
	}
	if err := s.refused(resp); err != nil {
		return Reply{}, err
	}
	answer, err := readAll(io.LimitReader(resp.Body, maxBody+1), resp.ContentLength)
	if err != nil {
		return Reply{}, s.broken(ErrInvalidAnswer, err)
	}
	if len(answer) > maxBody {
		return Reply{}, s.Fail(ErrInvalidAnswer, fmt.Errorf("more than %d bytes", maxBody))
	}
	return Reply{resp.StatusCode, resp.Header.Get("Content-Type"), answer}, nil
}

// maxPromised bounds the room that is made for a body before it has come.
const maxPromised = 64 << 10

// readAll is io.ReadAll for a body whose length may be known; -1: it is not.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > maxPromised {
		return io.ReadAll(body)
	}
	all := make([]byte, length)
	_, err := io.ReadFull(body, all)
	return all, err
}

// refused picks out the statuses that mean the same from every provider.
func (s *Server) refused(resp *http.Response) error {
	detail := fmt.Errorf("status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden, code == http.StatusPaymentRequired:
		e := s.Fail(ErrThrottled, detail)
		e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
		return e
	case code >= 500, code == http.StatusUnauthorized, code == http.StatusRequestTimeout:
		e := s.Fail(ErrUnavailable, detail)
		e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
		// A proxy says so while the server behind it restarts. A 500 is the
		// server's own, and likely to come again.
		e.Transient = code > http.StatusInternalServerError && e.RetryAfter == 0
		return e
	case code >= 300 && code < 400:
		return s.Fail(ErrInvalidAnswer, fmt.Errorf("redirect (%w)", detail))
	}
	return nil
}

// Fail returns an error of the server.
func (s *Server) Fail(kind, err error) *Error {
	return &Error{Provider: s.Provider, Kind: kind, Err: err}
}

// broken names the kind of a transport error, and takes the URL off it.
func (s *Server) broken(kind, err error) *Error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		kind = context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind = ErrTimeout
	}
	e := s.Fail(kind, err)
	e.Transient = errors.Is(kind, ErrUnavailable)
	return e
}

// parseRetryAfter reads a Retry-After header: seconds or a date. It returns 0
// when there is none that can be read.
func parseRetryAfter(h string, now time.Time) time.Duration {
	h = strings.TrimSpace(h)
	if h == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(h, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(h)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

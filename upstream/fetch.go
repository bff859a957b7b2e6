package upstream

import (
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
)

// maxBody is the largest answer in bytes that is taken. Fifty places with
// full outlines stay well below it.
const maxBody = 8 << 20

// maxRetryAfter bounds how long a provider can send us away with one answer.
const maxRetryAfter = 24 * time.Hour

// newHTTPClient returns the client that all providers of a chain share. It
// follows no redirects and keeps no cookies, and it takes no proxy from the
// environment: where questions go is decided in UPSTREAMS alone.
func newHTTPClient() *http.Client {
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

// reply is a complete HTTP answer with a status that a provider has to judge.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// fetcher gets the answers of one provider.
type fetcher struct {
	provider  string
	client    *http.Client
	userAgent string
	timeout   time.Duration
}

// get asks for a URL, with an Accept-Language unless that is empty. The errors are *Error and never show the URL.
func (f *fetcher) get(ctx context.Context, target, acceptLanguage string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return reply{}, f.fail(ErrUnavailable, errors.New("malformed URL"))
	}
	req.Header.Set("User-Agent", f.userAgent)
	if acceptLanguage != "" {
		req.Header.Set("Accept-Language", acceptLanguage)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return reply{}, f.broken(ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := f.refused(resp); err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return reply{}, f.broken(ErrInvalidAnswer, err)
	}
	if len(body) > maxBody {
		return reply{}, f.fail(ErrInvalidAnswer, fmt.Errorf("more than %d bytes", maxBody))
	}
	return reply{resp.StatusCode, resp.Header.Get("Content-Type"), body}, nil
}

// refused sorts out the statuses that mean the same from every provider.
func (f *fetcher) refused(resp *http.Response) error {
	detail := fmt.Errorf("status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden, code == http.StatusPaymentRequired:
		e := f.fail(ErrThrottled, detail)
		e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
		return e
	case code >= 500, code == http.StatusUnauthorized, code == http.StatusRequestTimeout:
		e := f.fail(ErrUnavailable, detail)
		e.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
		// What stands in front of a server says so while the server restarts. A
		// 500 is the server's own, and likely to come again.
		e.transient = code > http.StatusInternalServerError && e.RetryAfter == 0
		return e
	case code >= 300 && code < 400:
		return f.fail(ErrInvalidAnswer, fmt.Errorf("redirect (%w)", detail))
	}
	return nil
}

func (f *fetcher) fail(kind, err error) *Error {
	return &Error{Provider: f.provider, Kind: kind, Err: err}
}

// broken names the kind of a transport error, and takes the URL off it.
func (f *fetcher) broken(kind, err error) *Error {
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
	e := f.fail(kind, err)
	e.transient = errors.Is(kind, ErrUnavailable)
	return e
}

// parseRetryAfter reads a Retry-After header: seconds or a date. 0 means that
// there is none to go by.
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

package basemap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"
	"github.com/rs/zerolog"

	"geogate/internal/pause"
)

const (
	// readTimeout bounds reading a style with all that it names.
	readTimeout = 10 * time.Second
	// maxDocument is the largest style, or description of a source, in bytes.
	maxDocument = 2 << 20
	// renewEvery is how old a style gets before it is read again.
	renewEvery = time.Hour
	// retryFirst and retryMost are the pauses after a style could not be read.
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
)

// Styles keeps the style at one address up to date. It is safe for concurrent use.
type Styles struct {
	address *url.URL
	agent   string
	log     zerolog.Logger
	own     *http.Client // for the host of the style, which the operator named
	foreign *http.Client // for hosts that the style names: public ones only

	looked chan struct{} // closed when it has been read, or could not be
	mu     sync.Mutex
	first  sync.Once
	style  *Style
	err    error
}

// CheckURL tells what is wrong with the address of a style, without repeating it: it may
// hold a key.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !hosts.MatchString(strings.ToLower(u.Host)) || u.User != nil {
		return errors.New("want an https:// or http:// URL of a MapLibre style, without a user or password")
	}
	return nil
}

// NewStyles returns the style at an address that CheckURL finds nothing wrong with. It
// reads nothing yet.
func NewStyles(address, userAgent string, log zerolog.Logger) *Styles {
	u, err := url.Parse(address)
	if err != nil {
		panic("basemap: the address of the style was not checked")
	}
	return &Styles{
		address: u, agent: userAgent, log: log, looked: make(chan struct{}),
		own: client(nil), foreign: client(ssrf.New(ssrf.WithAnyPort())),
	}
}

// client follows no redirect and takes no proxy from the environment, and with a guard
// connects to public addresses only.
func client(guard *ssrf.Guardian) *http.Client {
	dialer := &net.Dialer{Timeout: readTimeout}
	if guard != nil {
		dialer.Control = guard.Safe
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: readTimeout, MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2: true, DisableKeepAlives: true, // once an hour
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Host is where the style is.
func (s *Styles) Host() string { return s.address.Host }

// Current returns the style as it was last read. Until somebody has tried to read it once,
// or ctx ends, it waits. An error, which is fit for everybody to see, says why there is none.
func (s *Styles) Current(ctx context.Context) (*Style, error) {
	select {
	case <-s.looked:
	case <-ctx.Done():
		return nil, errors.New("the map style has not been read yet")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.style, s.err
}

// Run keeps the style up to date until ctx ends. A style that cannot be read any more
// stays as it was.
func (s *Styles) Run(ctx context.Context) error {
	retries := pause.NewGrowing(retryFirst, retryMost)
	for {
		style, err := s.Read(ctx)
		next := pause.Around(renewEvery, 0.1)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is how it ends
		case err != nil:
			next = retries.Next()
			s.log.Warn().Err(err).Dur("retry_in", next).Msg("map style not read")
		default:
			retries.Reset()
		}
		s.keep(style, err)
		_ = pause.For(ctx, next) // the next look tells how it ended
	}
}

func (s *Styles) keep(style Style, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.first.Do(func() { close(s.looked) })
	if err == nil {
		s.style, s.err = &style, nil
	} else if s.style == nil {
		s.err = err
	}
}

// Read reads the style and what its sources say of themselves. Its errors show no address,
// but for the host of the style.
func (s *Styles) Read(ctx context.Context) (Style, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	document, err := s.get(ctx, s.address)
	if err != nil {
		return Style{}, fmt.Errorf("the map style at %s cannot be read: %w", s.Host(), err)
	}
	r := &reader{base: s.address, get: func(address string) ([]byte, error) {
		u, err := url.Parse(address)
		if err != nil {
			return nil, errNoAddress
		}
		return s.get(ctx, u)
	}}
	style, err := r.style(document)
	if err != nil {
		return Style{}, fmt.Errorf("the map style at %s cannot be used: %w", s.Host(), err)
	}
	return style, nil
}

func (s *Styles) get(ctx context.Context, address *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, errNoAddress
	}
	req.Header.Set("User-Agent", s.agent)
	req.Header.Set("Accept", "application/json")
	client := s.foreign
	if address.Scheme == s.address.Scheme && strings.EqualFold(address.Host, s.address.Host) {
		client = s.own
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, causeOf(ctx, err)
	case len(body) > maxDocument:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxDocument)
	}
	return body, nil
}

// causeOf says in a few words what went wrong. What net/http says shows the address.
func causeOf(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP):
		return errors.New("its address is not public; only the host of the style may be private")
	case ctx.Err() != nil:
		return fmt.Errorf("no answer within %s", readTimeout)
	default:
		return errors.New("no connection")
	}
}

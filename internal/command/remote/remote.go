// Package remote asks another geogate, or any server with Nominatim's API, on
// behalf of the command line.
package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// headerTimeout bounds the wait for the head of an answer.
	headerTimeout = 2 * time.Minute
	// continueTimeout is how long an upload waits to be told to go on.
	continueTimeout = 30 * time.Second
	// maxAnswer is far more than fifty places take, in bytes.
	maxAnswer = 8 << 20
)

// Server is where requests go.
type Server struct {
	URL       string // with or without a slash at its end
	Socket    string // the Unix socket to connect to, whatever the URL names; empty: none
	Direct    bool   // no proxy, whatever the environment says
	UserAgent string
}

// Send makes one request for target, a path with its query. The caller closes
// the body of the response, whatever its status is.
func (s Server) Send(ctx context.Context, method, target string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+target, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", s.UserAgent)
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: headerTimeout, ExpectContinueTimeout: continueTimeout,
	}
	if s.Direct {
		transport.Proxy = nil
	}
	if s.Socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.Socket)
		}
	}
	client := http.Client{Transport: transport}
	return client.Do(req)
}

// Get asks for target and returns the body of a 200. Any other status is a
// *StatusError.
func (s Server) Get(ctx context.Context, target string) ([]byte, error) {
	res, err := s.Send(ctx, http.MethodGet, target, nil, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := ReadBody(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = ReadError(res.StatusCode, body)
	}
	return body, err
}

// ReadBody reads a short body.
func ReadBody(body io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(body, maxAnswer))
}

// StatusError is an answer that refuses. Code, Detail and Hint are empty
// where the server did not give them.
type StatusError struct {
	Status             int
	Code, Detail, Hint string
}

// ReadError reads the body of a refusal, in either form: a problem of geogate,
// or an error of Nominatim.
func ReadError(status int, body []byte) *StatusError {
	r := &StatusError{Status: status}
	var nominatim struct{ Error struct{ Message string } }
	_ = json.Unmarshal(body, r) // without a problem in it, the status has to do
	if json.Unmarshal(body, &nominatim) == nil && nominatim.Error.Message != "" {
		r.Detail = nominatim.Error.Message
	}
	r.Status = status
	return r
}

func (r *StatusError) Error() string {
	if r.Detail == "" {
		return fmt.Sprintf("the server answered %d", r.Status)
	}
	return fmt.Sprintf("the server answered %d: %s", r.Status, r.Detail)
}

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/trace"
)

// Call answers a request that did not come over HTTP, but over a bus for one, as
// if its body had been posted to path: same checks, same answer, same access log.
// It does not count against any client's rate limit.
func (g *Gateway) Call(ctx context.Context, path string, body []byte) (status int, answer []byte) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		panic(fmt.Sprintf("gateway: call of %q: %v", path, err)) // a path in the source
	}
	w := &bufferedAnswer{header: http.Header{}}
	if parent := trace.Header(ctx); parent != "" {
		r.Header.Set(traceparent, parent)
	}
	ex := exchange.New(w, r, g.router)
	ex.Internal = true
	g.serve(ex, r)
	return w.status, w.body.Bytes()
}

// bufferedAnswer keeps an answer in memory.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *bufferedAnswer) Header() http.Header { return a.header }

func (a *bufferedAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *bufferedAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

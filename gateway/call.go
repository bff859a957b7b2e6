package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
)

// internalCall marks a request that no client sent over HTTP.
type internalCall struct{}

// Call answers a request that came another way than HTTP, such as over a bus,
// as if its body had been posted to path: same checks, same answer, same access
// log. It is not counted against any client's rate limit.
func (g *Gateway) Call(ctx context.Context, path string, body []byte) (status int, answer []byte) {
	ctx = context.WithValue(ctx, internalCall{}, true)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		panic(fmt.Sprintf("gateway: call of %q: %v", path, err)) // a path in the source
	}
	w := &bufferedAnswer{header: http.Header{}}
	g.ServeHTTP(w, r)
	return w.status, w.body.Bytes()
}

func isInternal(r *http.Request) bool { return r.Context().Value(internalCall{}) != nil }

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

package jobs

import (
	"context"
	"net/http"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/pause"
)

const (
	// stopGrace is how long uploads and downloads go on when the process drains,
	// well below the time that a drain may take.
	stopGrace = 10 * time.Second
	// longestTransfer is how long one may take in all, however steady it is.
	longestTransfer = 6 * time.Hour
)

var errStopping = exchange.NewProblem(http.StatusServiceUnavailable, "stopping",
	"this geogate is stopping and did not take the upload to its end").WithHint("send the file again")

// transfer returns a context for an upload or a download, which ends with that of
// the request, or with errStopping as its cause when the process has drained for
// stopGrace or the transfer takes too long. setDeadline then ends a read or write
// that waits for the client. The returned function ends the context.
func (a *API) transfer(request context.Context, setDeadline func(time.Time) error) (context.Context, func()) {
	drained, stopWaiting := a.streams.Await(request, longestTransfer)
	ctx, cancel := context.WithCancelCause(request)
	stop := context.AfterFunc(drained, func() {
		if pause.For(ctx, stopGrace) != nil {
			return
		}
		cancel(errStopping)
		_ = setDeadline(time.Now()) // fails when the connection is gone
	})
	return ctx, func() {
		stop()
		cancel(nil)
		stopWaiting()
	}
}

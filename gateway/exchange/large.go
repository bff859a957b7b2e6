package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"geogate/internal/pause"
)

const (
	// A large body is one above MaxBody. With what is decoded from it, it holds up
	// to 5 MiB: 40 MiB for all of them.
	maxLargeBodies          = 8
	maxLargeBodiesPerClient = 4
	// largeBodyWait is how long a client waits for others to finish theirs.
	largeBodyWait = 5 * time.Second
	// largeBodyTimeout is how long the rest of a large body may take, so that
	// trickled ones do not keep everybody waiting.
	largeBodyTimeout = 10 * time.Second
)

var (
	errTooManyBodies = NewProblem(http.StatusServiceUnavailable, "too_many_large_bodies",
		"as many large bodies are being read as this geogate allows").WithHint("send bodies of up to 64 KiB, or repeat later")
	errTooManyBodiesOfClient = NewProblem(http.StatusTooManyRequests, "too_many_large_bodies",
		"this client sends as many large bodies at a time as one may").WithHint("send them one after the other")
)

// LargeBodies reads bodies above MaxBody. It bounds how many of them are in memory
// at a time, and is safe for concurrent use.
type LargeBodies struct{ shares *Shares }

// NewLargeBodies returns none.
func NewLargeBodies() *LargeBodies {
	return &LargeBodies{NewShares(maxLargeBodies, maxLargeBodiesPerClient)}
}

// Read is ReadBody with a limit above MaxBody. look sees each part as it comes in, and
// ends the reading with its error. The body counts as in memory until done is called,
// which must be called unless there is an error.
func (l *LargeBodies) Read(w http.ResponseWriter, r *http.Request, limit int64, look func(part []byte) error) (body []byte, done func(), err error) {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return nil, nil, err
	}
	limited := http.MaxBytesReader(w, r.Body, limit)
	body, err = io.ReadAll(io.LimitReader(limited, MaxBody))
	if err == nil {
		err = look(body)
	}
	if err != nil && len(body) == MaxBody {
		pass(w, limited)
	}
	if err != nil || len(body) < MaxBody {
		return body, func() {}, bodyProblem(err, limit)
	}
	done, err = l.take(r)
	if err != nil {
		return nil, nil, err
	}
	hurry(w)
	if r.ContentLength > 0 {
		body = append(make([]byte, 0, min(r.ContentLength, limit)+1), body...)
	}
	for err == nil {
		if len(body) == cap(body) {
			body = append(make([]byte, 0, 2*cap(body)), body...)
		}
		var n int
		n, err = limited.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if refused := look(body[len(body)-n:]); refused != nil {
			done()
			pass(w, limited)
			return nil, nil, bodyProblem(refused, limit)
		}
	}
	if !errors.Is(err, io.EOF) {
		done()
		return nil, nil, bodyProblem(err, limit)
	}
	return body, done, nil
}

// hurry gives the rest of a body its time.
func hurry(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(largeBodyTimeout)) // a bus has no connection
}

// pass lets the rest of a body that is refused go by: a client who is still sending
// would not hear why.
func pass(w http.ResponseWriter, rest io.Reader) {
	hurry(w)
	_, _ = io.Copy(io.Discard, rest) // whatever ends it, the answer is ready
}

// bodyPassed is how much of a body that nobody wanted is let go by, in bytes: as much
// as net/http lets pass where the connection is kept.
const bodyPassed = 256 << 10

// PassBody lets what is left of a body go by before a connection is closed as its client
// asked. With bytes unread, the close would be a reset, and the client would see that
// instead of the answer. net/http does so only where the connection is kept; of a larger
// rest it hears here, and leaves the client half a second to read. It takes no longer
// than the body has in all.
func PassBody(ex *Exchange, r *http.Request) {
	if r.Close && r.ContentLength != 0 && r.Header.Get("Expect") == "" { // who is told no by then sends no body
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(ex.Recorder.ResponseWriter, r.Body, bodyPassed)) // whatever ends it, the answer is ready
	}
}

// take waits for a share.
func (l *LargeBodies) take(r *http.Request) (done func(), err error) {
	ctx, cancel := context.WithTimeout(r.Context(), largeBodyWait)
	defer cancel()
	for {
		done, err = l.shares.Take(Of(r).Counted())
		if err == nil || pause.For(ctx, 10*time.Millisecond) != nil {
			break
		}
	}
	switch {
	case errors.Is(err, ErrShareTaken):
		return nil, errTooManyBodiesOfClient
	case err != nil:
		return nil, errTooManyBodies
	}
	return done, nil
}

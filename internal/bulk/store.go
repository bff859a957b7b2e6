package bulk

import (
	"context"
	"errors"
	"time"
)

// Store keeps the blobs of jobs: the chunks of the upload and their answers. A
// blob is written once under a name of its own and never changed.
//
// Errors are errNoBlob, or ErrUnavailable wrapped. All methods are safe for
// concurrent use by any number of processes.
type Store interface {
	// Create makes room for a job, which is erased after life unless Keep is
	// called.
	Create(ctx context.Context, job string, life time.Duration) error
	// Keep makes the blobs of a job live for another life from now.
	Keep(ctx context.Context, job string, life time.Duration) error
	// Put stores a blob. For a job that was not created, or was erased, it
	// returns errNoBlob and stores nothing.
	Put(ctx context.Context, job, name string, blob []byte) error
	Get(ctx context.Context, job, name string) ([]byte, error)
	Remove(ctx context.Context, job string, names ...string) error
	// Erase removes a job with everything in it; it is no error when there is
	// nothing.
	Erase(ctx context.Context, job string) error
	// Sweep erases what has outlived its life where that does not happen by
	// itself.
	Sweep(ctx context.Context) error
}

var errNoBlob = errors.New("no such blob")

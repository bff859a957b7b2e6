// Package lease lets one process at a time do something that all of them could
// do. The one that holds the lease renews it while it works; when it dies the
// lease lapses and another process takes over.
//
// A lease keeps work from being done twice, as a rule. It is no proof: a process
// that sleeps through its lease still believes that it holds it. What must never
// happen twice is checked again where it is written.
//
// Scripts that take a lease in the same step as what they do under it use the
// shared file lease of package lua, which this package is made of too.
package lease

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	takeScript   = lua.Load(scriptFiles, "clock", "lease", "take")
	returnScript = lua.Load(scriptFiles, "clock", "lease", "return")
)

// Lease is one process's part in a lease. It is safe for concurrent use.
type Lease struct {
	rdb    redis.UniversalClient
	key    string
	holder string
	life   time.Duration
}

// New returns the lease at key for holder, a name that no other process uses. It
// lapses when it was not renewed for life. New does not call Redis.
func New(rdb redis.UniversalClient, key, holder string, life time.Duration) *Lease {
	return &Lease{rdb: rdb, key: key, holder: holder, life: life}
}

// Take takes the lease, or renews it, and reports whether it is held now. The
// error is that of Redis.
func (l *Lease) Take(ctx context.Context) (held bool, err error) {
	n, err := takeScript.Run(ctx, l.rdb, []string{l.key}, l.holder, l.life.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	return n == 1, nil
}

// Return gives the lease back, so that others need not wait until it lapses. A
// lease that somebody else holds by now is left alone. The error is that of Redis.
func (l *Lease) Return(ctx context.Context) error {
	if err := returnScript.Run(ctx, l.rdb, []string{l.key}, l.holder).Err(); err != nil {
		return fmt.Errorf("return lease: %w", err)
	}
	return nil
}

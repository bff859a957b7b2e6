package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Bell tells processes that a job has changed: there is work, it went on, it is
// gone. It makes things quick, nothing depends on it: who waits also looks for
// itself every few seconds. It is safe for concurrent use.
type Bell struct {
	transport Transport
	log       zerolog.Logger

	mu        sync.Mutex
	listeners map[*listener]struct{}
}

// Transport carries the ids of jobs between processes.
type Transport struct {
	Publish func(ctx context.Context, id string) error
	// Subscribe calls deliver for each id published anywhere, until ctx ends
	// or the connection is lost.
	Subscribe func(ctx context.Context, deliver func(id string)) error
}

type listener struct {
	id string // empty: all jobs
	c  chan string
}

// NewBell returns a bell over transport.
func NewBell(transport Transport, log zerolog.Logger) *Bell {
	return &Bell{transport: transport, log: log, listeners: map[*listener]struct{}{}}
}

// RedisTransport carries ids by publish and subscribe. Its channel begins with
// namespace; empty: geogate.
func RedisTransport(rdb redis.UniversalClient, namespace string) Transport {
	channel := namespaceOr(namespace) + ":jobs"
	return Transport{
		Publish: func(ctx context.Context, id string) error {
			return rdb.Publish(ctx, channel, id).Err()
		},
		Subscribe: func(ctx context.Context, deliver func(string)) error {
			subscription := rdb.Subscribe(ctx, channel)
			defer func() { _ = subscription.Close() }()
			messages := subscription.Channel() // connects anew by itself
			for {
				select {
				case message := <-messages:
					deliver(message.Payload)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
	}
}

// resubscribe is the pause after a lost subscription.
const resubscribe = time.Second

// Run listens until ctx ends, and returns nil.
func (b *Bell) Run(ctx context.Context) error {
	for {
		err := b.transport.Subscribe(ctx, b.deliver)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(resubscribe):
			b.log.Debug().Err(err).Msg("subscription to jobs was lost")
		}
	}
}

// ring tells everyone that a job has changed.
func (b *Bell) ring(ctx context.Context, id string) {
	if err := b.transport.Publish(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		b.log.Debug().Err(err).Msg("cannot tell of a job")
	}
}

func (b *Bell) deliver(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		if l.id == "" || l.id == id {
			select {
			case l.c <- id:
			default: // it will look anyway
			}
		}
	}
}

// listen returns a channel that gets the id of a job (empty: of any) when it
// has changed. A slow reader misses ids, but never the last of several.
func (b *Bell) listen(id string) (changes <-chan string, stop func()) {
	l := &listener{id: id, c: make(chan string, 1)}
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	return l.c, func() {
		b.mu.Lock()
		delete(b.listeners, l)
		b.mu.Unlock()
	}
}

// pause waits for d, or for the end of ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	}
}

package bulk

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/hub"
	"geogate/internal/pause"
)

// Bell tells processes that a job has changed: there is work, it went on, it is
// gone. It makes things quick, and nothing depends on it: those who wait also
// look by themselves every few seconds. It is safe for concurrent use.
type Bell struct {
	transport Transport
	log       zerolog.Logger
	hub       hub.Hub // a topic is the id of a job
}

// Transport carries the ids of jobs between processes.
type Transport struct {
	Publish func(ctx context.Context, id string) error
	// Subscribe calls deliver for each id published anywhere, until ctx ends
	// or the connection is lost.
	Subscribe func(ctx context.Context, deliver func(id string)) error
}

// NewBell returns a bell over transport.
func NewBell(transport Transport, log zerolog.Logger) *Bell {
	return &Bell{transport: transport, log: log}
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
			messages := subscription.Channel() // reconnects by itself
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
	for ctx.Err() == nil {
		err := b.transport.Subscribe(ctx, b.hub.Wake)
		if ctx.Err() == nil {
			b.log.Debug().Err(err).Msg("subscription to jobs was lost")
		}
		_ = pause.For(ctx, pause.Around(resubscribe, 0.5)) // the loop sees the end of ctx
	}
	return nil
}

// ring tells everyone that a job has changed.
func (b *Bell) ring(ctx context.Context, id string) {
	if err := b.transport.Publish(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		b.log.Debug().Err(err).Msg("cannot tell of a job")
	}
}

// listen returns a channel that receives when the job with an id (hub.Any: any
// job) has changed. stop must be called.
func (b *Bell) listen(id string) (changes <-chan struct{}, stop func()) { return b.hub.Listen(id) }

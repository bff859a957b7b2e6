package dispatch

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A waiting call looks by itself every pollEvery. Once wake-ups arrive, looking only
// covers a lost one, and lookEvery is enough: thousands of calls may wait.
const (
	pollEvery = time.Second
	lookEvery = 5 * time.Second
)

// Topics are what the scripts publish.
func rideTopic(id string) string   { return "ride " + id }
func driverTopic(id string) string { return "driver " + id }

// regionTopic is woken by everything that happens in a region.
func regionTopic(region string) string { return "region " + region }

// wakeFor wakes those who wait for what a message tells of: "ride ID", or "driver PREFIX
// ID" with the prefix of the region.
func (e *Engine) wakeFor(message string) {
	kind, what, _ := strings.Cut(message, " ")
	switch kind {
	case "ride":
		region, _ := regionOfRide(what)
		e.hub.Wake(message)
		e.hub.Wake(regionTopic(region))
	case "driver":
		in, id, _ := strings.Cut(what, " ")
		e.hub.Wake(driverTopic(id))
		e.hub.Wake(regionTopic(strings.TrimSuffix(strings.TrimPrefix(in, "geogate:{"), "}")))
	default:
		e.hub.Wake(message)
	}
}

// subscribe feeds the hub until ctx ends. go-redis reconnects by itself; what was
// published meanwhile is lost, so every listener is woken then.
func (e *Engine) subscribe(ctx context.Context) {
	sub := e.rdb.Subscribe(ctx, channel)
	defer func() {
		e.subscribed.Store(false)
		_ = sub.Close()
	}()
	messages := sub.ChannelWithSubscriptions(redis.WithChannelSize(4096))
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Subscription:
				e.subscribed.Store(true)
				e.hub.WakeAll()
			case *redis.Message:
				e.wakeFor(m.Payload)
			}
		}
	}
}

// await calls look until it is done, first at once and then after each wake-up of
// the topic. The end of ctx is no error: the caller has what look saw last.
func (e *Engine) await(ctx context.Context, topic string, look func() (done bool, err error)) error {
	wake, stop := e.hub.Listen(topic)
	defer stop()
	every := pollEvery
	if e.subscribed.Load() {
		every = lookEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for looks := 0; ; looks++ {
		done, err := look()
		if err != nil && looks > 0 && ctx.Err() != nil {
			return nil
		}
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C:
		}
	}
}

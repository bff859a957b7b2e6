package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Waiting calls look for themselves every pollEvery. Once wake-ups arrive that only
// covers a lost one, and lookEvery is enough: thousands may be waiting.
const (
	pollEvery = time.Second
	lookEvery = 5 * time.Second
)

// hub passes the wake-ups of a process's one subscription to whoever listens.
type hub struct {
	subscribed atomic.Bool

	mu        sync.Mutex
	listeners map[string]map[chan struct{}]struct{}
}

// listen returns a channel that receives after each wake-up of the topic; several in
// a row may become one. stop must be called.
func (h *hub) listen(topic string) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners[topic] == nil {
		h.listeners[topic] = make(map[chan struct{}]struct{})
	}
	h.listeners[topic][c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners[topic], c)
		if len(h.listeners[topic]) == 0 {
			delete(h.listeners, topic)
		}
	}
}

func (h *hub) wake(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.listeners[topic] {
		poke(c)
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range h.listeners {
		for c := range topic {
			poke(c)
		}
	}
}

// poke leaves a token unless one is there already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Topics are what the scripts publish.
func rideTopic(id string) string           { return "ride " + id }
func driverTopic(region, id string) string { return "driver " + prefix(region) + " " + id }

// subscribe feeds the hub until ctx ends. go-redis reconnects by itself; whatever was
// published meanwhile is lost, so everybody looks again then.
func (e *Engine) subscribe(ctx context.Context) {
	sub := e.rdb.Subscribe(ctx, channel)
	defer func() {
		e.hub.subscribed.Store(false)
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
				e.hub.subscribed.Store(true)
				e.hub.wakeAll()
			case *redis.Message:
				e.hub.wake(m.Payload)
				e.hub.wake(anyRide)
			}
		}
	}
}

// anyRide is the topic of those who want to know that something happened at all.
const anyRide = "any"

// await calls look until it is done, first at once and then after each wake-up of
// the topic. The end of ctx is no error: the caller has what look saw last.
func (e *Engine) await(ctx context.Context, topic string, look func() (done bool, err error)) error {
	wake, stop := e.hub.listen(topic)
	defer stop()
	every := pollEvery
	if e.hub.subscribed.Load() {
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

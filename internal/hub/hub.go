// Package hub passes wake-ups on within a process. One subscription to Redis
// feeds it, and any number of calls wait at it, each for a topic of its own.
//
// A wake-up says that there is something to look at, and nothing about what:
// whoever is woken reads the state itself. So several wake-ups may become one,
// and one that got lost costs time only, as long as listeners look by themselves
// now and then.
package hub

import "sync"

// Any is the topic of those who want to know that something happened at all:
// each wake-up of another topic is one of Any as well.
const Any = ""

// Hub knows who waits for what. Its zero value is ready, and its methods may be
// called concurrently.
type Hub struct {
	mu        sync.Mutex
	listeners map[string]map[chan struct{}]struct{} // by topic
}

// Listen returns a channel that receives after each wake-up of the topic; several
// in a row may become one. stop must be called.
func (h *Hub) Listen(topic string) (wake <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = make(map[string]map[chan struct{}]struct{})
	}
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

// Wake wakes the listeners of a topic and those of Any. It never blocks.
func (h *Hub) Wake(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wake(h.listeners[topic])
	if topic != Any {
		wake(h.listeners[Any])
	}
}

// WakeAll wakes every listener: wake-ups may have been lost. It never blocks.
func (h *Hub) WakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, listeners := range h.listeners {
		wake(listeners)
	}
}

// wake leaves a token for each listener that has none yet.
func wake(listeners map[chan struct{}]struct{}) {
	for c := range listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

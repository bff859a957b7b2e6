// Package batch lets calls go together that would otherwise wait for one another: while one
// batch is under way, what comes in meanwhile gathers, and is the next batch. Nobody waits
// for a batch to fill.
package batch

import (
	"context"
	"errors"
	"sync"
)

// ErrFull is the error of items that there was no room for.
var ErrFull = errors.New("as much is waiting as there may be")

// Bounds are those of a Line, in the cost of items.
type Bounds struct {
	Batch   int // of a batch; an item that costs more goes alone
	Waiting int // of all that waits
	Each    int // of what waits for one caller
}

// Line is where items wait for the batch ahead of them. Batches run one after the other.
// Within one, callers take turns, so that none of them waits behind all that another has
// handed in; the items of one caller keep their order. A Line is safe for concurrent use.
type Line[T any] struct {
	run    func([]T)
	cost   func(T) int
	bounds Bounds

	mu      sync.Mutex
	running bool
	waiting int
	callers map[string]*caller[T]
	turns   []*caller[T] // those of callers, in the order of their turns
}

// caller is one for whom something waits.
type caller[T any] struct {
	name    string
	waiting int
	calls   []*call[T] // those whose items do not all have a batch
}

// call is one call of Do.
type call[T any] struct {
	items []T // that have no batch yet
	open  int // items that no batch is through with
	done  chan struct{}
}

// New returns a Line. run is called with one batch at a time, and must end in bounded time;
// the slice is its own until it returns.
func New[T any](bounds Bounds, cost func(T) int, run func([]T)) *Line[T] {
	return &Line[T]{run: run, cost: cost, bounds: bounds, callers: map[string]*caller[T]{}}
}

// Do returns when batches have run all items of a caller, in order; at once if there are none. Errors: ErrFull, when
// none of them will be, or that of ctx: then those that have no batch yet never get one, and
// another may still be under way, so that its items belong to run.
func (l *Line[T]) Do(ctx context.Context, name string, items []T) error {
	if len(items) == 0 {
		return nil
	}
	c := &call[T]{items: items, open: len(items), done: make(chan struct{})}
	if !l.enter(name, c) {
		return ErrFull
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		l.leave(name, c)
		return ctx.Err()
	}
}

// Waiting is what waits for the batch that is under way, in the cost of items.
func (l *Line[T]) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

func (l *Line[T]) enter(name string, c *call[T]) bool {
	cost := l.costOf(c.items)
	l.mu.Lock()
	defer l.mu.Unlock()
	who := l.callers[name]
	if l.waiting+cost > l.bounds.Waiting || who != nil && who.waiting+cost > l.bounds.Each {
		return false
	}
	if who == nil {
		who = &caller[T]{name: name}
		l.callers[name] = who
		l.turns = append(l.turns, who)
	}
	who.calls = append(who.calls, c)
	who.waiting += cost
	l.waiting += cost
	if !l.running {
		l.running = true
		go l.runAll() // ends when nobody waits
	}
	return true
}

// leave takes back what has no batch. The call itself is dropped when its turn comes.
func (l *Line[T]) leave(name string, c *call[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(c.items) == 0 {
		return
	}
	cost := l.costOf(c.items)
	l.callers[name].waiting -= cost
	l.waiting -= cost
	c.items = nil
}

func (l *Line[T]) costOf(items []T) int {
	cost := 0
	for _, item := range items {
		cost += l.cost(item)
	}
	return cost
}

// runAll runs batches until nobody waits.
func (l *Line[T]) runAll() {
	var batch []T
	var owners []*call[T]
	for {
		batch, owners = l.next(batch[:0], owners)
		if len(batch) == 0 {
			return
		}
		l.run(batch)
	}
}

// next ends the batch before and fills one with what waits. owners are the calls of a
// batch's items.
func (l *Line[T]) next(batch []T, owners []*call[T]) ([]T, []*call[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range owners {
		if c.open--; c.open == 0 {
			close(c.done)
		}
	}
	owners = owners[:0]
	for cost := 0; len(l.turns) > 0; {
		who := l.turns[0]
		c := who.calls[0]
		if len(c.items) > 0 {
			item := c.items[0]
			its := l.cost(item)
			if cost > 0 && cost+its > l.bounds.Batch {
				break
			}
			batch, owners = append(batch, item), append(owners, c)
			c.items = c.items[1:]
			cost += its
			who.waiting -= its
			l.waiting -= its
		}
		if len(c.items) == 0 {
			who.calls[0] = nil
			who.calls = who.calls[1:]
		}
		l.turns = l.turns[1:]
		if len(who.calls) > 0 {
			l.turns = append(l.turns, who)
		} else {
			delete(l.callers, who.name)
		}
	}
	l.running = len(batch) > 0
	return batch, owners
}

package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/event"
)

// DeliveryState is what became of a delivery.
type DeliveryState string

// States of a delivery.
const (
	Pending   DeliveryState = "pending"
	Delivered DeliveryState = "delivered"
	Dead      DeliveryState = "dead"
)

// Delivery is an event on its way to a subscriber. Its id is that of the event.
type Delivery struct {
	ID        string
	Type      string
	State     DeliveryState
	Reason    string // why it is dead
	CreatedAt time.Time
	NextAt    time.Time // of the next attempt after a failed one; zero: none, or at once
	Attempts  []Attempt // oldest first; of very many, the last ones
}

// Attempt is one try to deliver.
type Attempt struct {
	At     time.Time     `json:"-"`
	Status int           `json:"status,omitempty"` // 0: no answer
	Error  string        `json:"error,omitempty"`  // in geogate's own words
	Took   time.Duration `json:"-"`
}

// loggedAttempt is an attempt as a line of the delivery's log in Redis.
type loggedAttempt struct {
	Attempt
	At   int64 `json:"at"` // Unix milliseconds
	Took int64 `json:"ms"`
}

// Deliveries returns deliveries of a subscriber, newest first, at most limit of each
// state asked for; no state stands for all. Of those delivered the last hundred can be
// seen. Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Deliveries(ctx context.Context, id string, limit int, states ...DeliveryState) ([]Delivery, error) {
	if _, err := r.Subscriber(ctx, id); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var lists []*redis.StringSliceCmd
	last := int64(limit - 1)
	_, err := r.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for state, read := range map[DeliveryState]func() *redis.StringSliceCmd{
			Pending:   func() *redis.StringSliceCmd { return pipe.ZRevRange(ctx, event.Prefix+"all:"+id, 0, last) },
			Dead:      func() *redis.StringSliceCmd { return pipe.ZRevRange(ctx, event.Prefix+"dead:"+id, 0, last) },
			Delivered: func() *redis.StringSliceCmd { return pipe.LRange(ctx, event.Prefix+"done:"+id, 0, last) },
		} {
			if len(states) == 0 || slices.Contains(states, state) {
				lists = append(lists, read())
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w: %w", ErrUnavailable, err)
	}
	var ids []string
	for _, list := range lists {
		ids = append(ids, list.Val()...)
	}
	return r.readDeliveries(ctx, id, ids)
}

// Delivery returns one delivery. Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Delivery(ctx context.Context, id, delivery string) (Delivery, error) {
	if _, err := r.Subscriber(ctx, id); err != nil {
		return Delivery{}, err
	}
	list, err := r.readDeliveries(ctx, id, []string{delivery})
	if err != nil {
		return Delivery{}, err
	}
	if len(list) == 0 {
		return Delivery{}, ErrNotFound
	}
	return list[0], nil
}

func (r *Registry) readDeliveries(ctx context.Context, id string, events []string) ([]Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	fields := make([]*redis.MapStringStringCmd, len(events))
	types := make([]*redis.SliceCmd, len(events))
	if len(events) == 0 {
		return []Delivery{}, nil
	}
	_, err := r.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, ev := range events {
			fields[i] = pipe.HGetAll(ctx, event.Prefix+"delivery:"+id+":"+ev)
			types[i] = pipe.HMGet(ctx, event.Prefix+"event:"+ev, "type")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w: %w", ErrUnavailable, err)
	}
	list := make([]Delivery, 0, len(events))
	for i, ev := range events {
		if len(fields[i].Val()) == 0 { // settled and forgotten in between
			continue
		}
		d := newDelivery(ev, fields[i].Val())
		d.Type, _ = types[i].Val()[0].(string)
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(a, b Delivery) int {
		if n := b.CreatedAt.Compare(a.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(b.ID, a.ID)
	})
	return list, nil
}

func newDelivery(id string, fields map[string]string) Delivery {
	at := func(name string) time.Time {
		ms, err := strconv.ParseInt(fields[name], 10, 64)
		if err != nil {
			return time.Time{}
		}
		return time.UnixMilli(ms).UTC()
	}
	d := Delivery{
		ID: id, State: DeliveryState(fields["state"]), Reason: fields["reason"],
		CreatedAt: at("at"), NextAt: at("next"), Attempts: []Attempt{},
	}
	for line := range strings.Lines(fields["log"]) {
		var logged loggedAttempt
		if json.Unmarshal([]byte(line), &logged) != nil {
			continue // a line that was cut; nothing but what people look at
		}
		a := logged.Attempt
		a.At, a.Took = time.UnixMilli(logged.At).UTC(), time.Duration(logged.Took)*time.Millisecond
		d.Attempts = append(d.Attempts, a)
	}
	return d
}

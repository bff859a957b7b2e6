package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/event"
	"geogate/internal/pause"
)

const (
	claimAtMost    = 64 // deliveries claimed in one turn: their bodies travel in one answer
	settleAtMost   = 64
	farewellWithin = 3 * time.Second // for the last turn, if Redis does not answer at once
)

// Sender sends what is due. Several senders, in one process or many, share the work.
type Sender struct {
	rdb    redis.UniversalClient
	log    *event.Log
	guard  *Guard
	cfg    Config
	static string // cfg for scripts
	worker string // names this sender in leases

	inFlight atomic.Int64
}

// NewSender returns a sender of the events in log, which wakes it. It starts nothing
// and does not call Redis.
func NewSender(rdb redis.UniversalClient, log *event.Log, guard *Guard, cfg Config) *Sender {
	cfg = cfg.withDefaults()
	return &Sender{
		rdb: rdb, log: log, guard: guard, cfg: cfg,
		static: cfg.forScripts(), worker: strings.ToLower(rand.Text()),
	}
}

// InFlight returns how many attempts are under way.
func (s *Sender) InFlight() int64 { return s.inFlight.Load() }

// claim is a delivery that this sender is to attempt.
type claim struct {
	subscriber string
	failures   int // attempts that failed before this one
	url        string
	secrets    []string
	event      event.Event
}

// result is what came of an attempt, as turn.lua reads it.
type result struct {
	Subscriber string `json:"sub"`
	Event      string `json:"event"`
	OK         bool   `json:"ok"`
	Gone       bool   `json:"gone"`  // the endpoint asked never to be called again
	Pause      int64  `json:"pause"` // ms until the next attempt, -1 for none
	Hold       int64  `json:"hold"`  // ms for which the endpoint asked to be left alone
	Error      string `json:"error"`
	Log        string `json:"log"`
}

// Run sends until ctx ends, then lets attempts under way finish for Config.Grace and
// gives back what is left. It always returns nil: Redis being away is logged and
// waited out.
func (s *Sender) Run(ctx context.Context) error {
	wake, stop := s.log.Listen()
	defer stop()
	sending, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	w := &work{sender: s, results: make(chan *result, s.cfg.MaxInFlight)}
	retry := retryPauses()
	for failing := false; ctx.Err() == nil; {
		wait, err := w.turn(ctx, sending)
		if err != nil {
			if !failing && ctx.Err() == nil {
				s.cfg.Log.Warn().Err(err).Msg("cannot work on deliveries")
			}
			failing = true
			wait = retry.Next()
		} else if failing {
			failing = false
			retry.Reset()
			s.cfg.Log.Info().Msg("working on deliveries again")
		}
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(min(wait, turnEvery))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case r := <-w.results:
			w.landed(r)
			if failing { // results wait as long as Redis is away
				w.rest(ctx, timer)
			}
		case <-w.wakeUnless(failing, wake):
		}
		timer.Stop()
	}
	w.leave(context.WithoutCancel(ctx), abort)
	return nil
}

// work is the state of one Run; only its goroutine touches it.
type work struct {
	sender   *Sender
	results  chan *result
	settled  []*result // landed, and not yet told to Redis
	flying   int
	turns    int64
	answered int64 // the last turn whose answer arrived
}

func (w *work) landed(r *result) {
	w.flying--
	w.sender.inFlight.Store(int64(w.flying))
	if r != nil { // nil: cut short by our own end
		w.settled = append(w.settled, r)
	}
}

// wakeUnless keeps new events from cutting a pause short.
func (w *work) wakeUnless(pausing bool, wake <-chan struct{}) <-chan struct{} {
	if pausing {
		return nil
	}
	return wake
}

func (w *work) rest(ctx context.Context, timer *time.Timer) {
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// turn settles results, claims deliveries and starts to attempt them. It returns how
// long to wait for the next turn.
func (w *work) turn(ctx, sending context.Context) (wait time.Duration, err error) {
	for drained := false; !drained && len(w.settled) < settleAtMost; {
		select {
		case r := <-w.results:
			w.landed(r)
		default:
			drained = true
		}
	}
	capacity := min(claimAtMost, w.sender.cfg.MaxInFlight-w.flying-len(w.settled))
	answer, err := w.call(ctx, max(0, capacity), false)
	if err != nil {
		return 0, err
	}
	for _, c := range answer.claims {
		w.flying++
		w.sender.inFlight.Store(int64(w.flying))
		go func() { w.results <- w.sender.attempt(sending, c) }()
	}
	switch {
	case answer.more || len(w.results) > 0:
		return 0, nil
	case answer.wait < 0:
		return turnEvery, nil
	}
	return max(answer.wait, time.Millisecond), nil
}

// turnAnswer is what turn.lua says.
type turnAnswer struct {
	more   bool
	wait   time.Duration // negative: nothing is due
	claims []claim
}

// call runs one turn in Redis. After an error the results are told again: settling
// twice does nothing.
func (w *work) call(ctx context.Context, capacity int, leaving bool) (turnAnswer, error) {
	results := w.settled[:min(len(w.settled), settleAtMost)]
	encoded, err := json.Marshal(results)
	if err != nil {
		return turnAnswer{}, fmt.Errorf("encode results: %w", err)
	}
	if len(results) == 0 {
		encoded = []byte("[]")
	}
	last := "0"
	if leaving && len(results) == len(w.settled) {
		last = "1"
	}
	w.turns++
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	values, err := turnScript.Run(ctx, w.sender.rdb, scriptKeys, w.sender.static,
		w.sender.worker, w.turns, w.answered, capacity, encoded, last).Slice()
	if err != nil || len(values) != 4 {
		return turnAnswer{}, fmt.Errorf("take turn: %w: %w", ErrUnavailable, err)
	}
	w.answered = w.turns
	w.settled = append([]*result(nil), w.settled[len(results):]...)
	more, _ := values[1].(int64)
	wait, _ := values[2].(int64)
	list, _ := values[3].([]any)
	answer := turnAnswer{more: more == 1 || len(w.settled) > 0, wait: time.Duration(wait) * time.Millisecond}
	for _, entry := range list {
		answer.claims = append(answer.claims, newClaim(entry))
	}
	return answer, nil
}

// leave waits for attempts under way, cuts off those that take too long, and gives
// back what is left, so that another sender has it at once.
func (w *work) leave(ctx context.Context, abort context.CancelFunc) {
	grace := time.AfterFunc(w.sender.cfg.Grace, abort)
	defer grace.Stop()
	for w.flying > 0 {
		w.landed(<-w.results)
	}
	deadline := time.Now().Add(farewellWithin)
	retry := retryPauses()
	for {
		_, err := w.call(ctx, 0, true)
		switch {
		case err == nil && len(w.settled) == 0:
			return
		case err == nil:
			continue
		case time.Now().After(deadline):
			w.sender.cfg.Log.Warn().Err(err).Msg("deliveries in hand left to another process")
			return
		}
		_ = retry.Wait(ctx) // which never ends
	}
}

func newClaim(entry any) claim {
	list, _ := entry.([]any)
	text := func(i int) string {
		if i >= len(list) {
			return ""
		}
		s, _ := list[i].(string)
		return s
	}
	ms, _ := strconv.ParseInt(text(7), 10, 64)
	c := claim{
		subscriber: text(0), url: text(3), secrets: []string{text(4)},
		event: event.Event{ID: text(1), Type: text(6), At: time.UnixMilli(ms), Data: json.RawMessage(text(8)), Trace: text(9)},
	}
	if len(list) > 2 {
		n, _ := list[2].(int64)
		c.failures = int(n)
	}
	c.secrets = append(c.secrets, strings.Fields(text(5))...)
	return c
}

// retryPauses are how long to leave Redis alone after failures in a row.
func retryPauses() *pause.Growing { return pause.NewGrowing(100*time.Millisecond, 3*time.Second) }

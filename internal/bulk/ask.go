package bulk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/pause"
)

// board collects the answers of one chunk. It is safe for concurrent use.
type board struct {
	mu      sync.Mutex
	answers []done
	counts  Counts
}

func newBoard(answers []done) *board { return &board{answers: answers, counts: count(answers)} }

func (b *board) set(i int, d *done) {
	b.answers[i] = *d
	b.counts.add(d)
}

// snapshot returns a copy of the answers so far and their counts.
func (b *board) snapshot() ([]done, Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]done(nil), b.answers...), b.counts
}

// group is the rows of a chunk that ask the same.
type group struct {
	Request
	rows []int
}

// hash identifies the question within the job, without telling it.
func (g *group) hash() string {
	sum := sha256.Sum256([]byte(g.Key))
	return string(sum[:16])
}

// group puts the rows without an answer together by what they ask. Rows that
// cannot be asked for get theirs at once.
func (b *board) group(s *spec, rows []row, plan Plan) []*group {
	b.mu.Lock()
	defer b.mu.Unlock()
	var groups []*group
	byKey := make(map[string]*group, len(rows))
	for i := range rows {
		if b.answers[i].Outcome != "" {
			continue
		}
		request, ok := Request{}, false
		if query, wrong := s.query(&rows[i]); wrong == "" {
			var err error
			request, err = plan(query)
			ok = err == nil
		}
		if !ok {
			b.set(i, &done{Outcome: OutcomeInvalid})
			continue
		}
		g := byKey[request.Key]
		if g == nil {
			g = &group{Request: request}
			byKey[request.Key] = g
			groups = append(groups, g)
		}
		g.rows = append(g.rows, i)
	}
	return groups
}

// answer gives all rows of a group the answer to the first one. The others
// cost nothing.
func (b *board) answer(g *group, d done) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range g.rows {
		b.set(i, &d)
		if d.Outcome == OutcomeFound || d.Outcome == OutcomeEmpty {
			d.Cached = true
		}
	}
}

// asker asks until there is an answer, with pauses.
type asker struct {
	log    zerolog.Logger
	asks   int
	judge  Judge
	warned *atomic.Int64 // when a pause was last logged, in Unix seconds
}

func newAsker(log zerolog.Logger, asks int, judge Judge) asker {
	if judge == nil {
		judge = func(error) (Trouble, time.Duration) { return Fault, 0 }
	}
	return asker{log: log, asks: asks, judge: judge, warned: new(atomic.Int64)}
}

// Judge tells what an error of Request.Ask means for a job, and for how long
// the geocoder wants to be left alone; 0: not known.
type Judge func(error) (Trouble, time.Duration)

// Trouble is what keeps a row from getting its answer.
type Trouble int

const (
	// Fault: the question may be at fault as well as the geocoder. The row is
	// tried a few times.
	Fault Trouble = iota
	// Busy: the geocoder, or the budget for it, wants a pause. The row waits,
	// however long it takes.
	Busy
	// Down: the geocoder is not there. The row waits about an hour, then it
	// has failed: a server that breaks on this very question looks the same.
	Down
)

const (
	// triesAtFault and triesWhileDown are how often a row is asked for.
	triesAtFault   = 3
	triesWhileDown = 64
	// leastPause and mostPause bound a pause, whatever the geocoder says: the
	// gateway's budgets keep to the geocoder's terms; this only avoids
	// asking in vain.
	leastPause = time.Second
	mostPause  = time.Minute
)

// ask asks for each group, several at a time, and passes the answers to take.
// It returns the first error of take, else the cause of ctx's end, else nil.
func (a asker) ask(ctx context.Context, groups []*group, take func(*group, Answer) error) error {
	asking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var hands sync.WaitGroup
	for range min(a.asks, len(groups)) {
		hands.Go(func() {
			for asking.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(groups) {
					return
				}
				answer, ok := a.insist(asking, groups[i])
				if !ok {
					return
				}
				if err := take(groups[i], answer); err != nil {
					stop(err)
				}
			}
		})
	}
	hands.Wait()
	if asking.Err() != nil {
		return context.Cause(asking)
	}
	return nil
}

// insist asks until there is an answer, one that says failed included; false
// when ctx ended before.
func (a asker) insist(ctx context.Context, g *group) (Answer, bool) {
	faults, down := 0, 0
	for {
		answer, err := safely(ctx, g)
		if err == nil {
			return answer, true
		}
		if ctx.Err() != nil {
			return Answer{}, false
		}
		trouble, wait := a.judge(err)
		switch trouble {
		case Fault:
			faults++
			wait = leastPause / 4 << faults
		case Busy:
			wait = min(max(wait, leastPause), mostPause)
		case Down:
			down++
			wait = min(max(wait, leastPause<<min(down-1, 6)), mostPause)
		}
		if faults == triesAtFault || down == triesWhileDown {
			a.log.Warn().Err(err).Msg("row of a job failed")
			return Answer{Outcome: OutcomeFailed}, true
		}
		if trouble != Fault {
			a.warn(err, wait)
		}
		// Rows that were put off together do not come back together.
		if pause.For(ctx, pause.Beyond(wait, 0.25)) != nil {
			return Answer{}, false
		}
	}
}

// warn logs, once a minute at most, that jobs wait.
func (a asker) warn(err error, wait time.Duration) {
	now := time.Now().Unix()
	if last := a.warned.Load(); now-last >= 60 && a.warned.CompareAndSwap(last, now) {
		a.log.Info().Err(err).Dur("wait", wait).Msg("jobs pause for the geocoder")
	}
}

var errPanicked = errors.New("lookup panicked")

// safely turns a panic into an error: one bad row must not end the process
// that serves everyone, over and over.
func safely(ctx context.Context, g *group) (answer Answer, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanicked, v)
		}
	}()
	answer, err = g.Ask(ctx)
	if err == nil && answer.Outcome == OutcomeFound && !answer.sound() {
		err = errUnsound
	}
	return answer, err
}

var errUnsound = errors.New("the geocoder's place has no coordinates")

// sound reports whether what will stand as a number is one.
func (a *Answer) sound() bool {
	const longest = 64 // of a number, in digits
	if len(a.Lat) > longest || len(a.Lon) > longest || len(a.Importance) > longest {
		return false
	}
	return isJSONNumber(a.Lat) && isJSONNumber(a.Lon) && (a.Importance == "" || isJSONNumber(a.Importance))
}

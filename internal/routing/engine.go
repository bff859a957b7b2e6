package routing

import (
	"context"
	"strconv"
	"time"

	"geogate/internal/budget"
	"geogate/internal/geo"
	"geogate/internal/outbound"
)

// said is what an engine answers.
type said struct {
	matrix Matrix
	// refused: the engine answers for none of the points, because some are near no
	// road or no road leads to the others. A call that is to name these has no answer.
	refused bool
	// offRoad are the points near no road that the engine names: by their indexes, those
	// of from first, then those of to.
	offRoad []int
}

// asker asks an engine of one kind for all pairs, or which of the points are near no
// road. The error is an *outbound.Error.
type asker func(ctx context.Context, s *outbound.Server, profile string, from, to []geo.Point) (said, error)

// engine is one entry of ROUTER with what guards it.
type engine struct {
	spec   Spec
	kind   kind
	cfg    *Config
	owner  string // begins every key
	guard  *outbound.Guard[said]
	server outbound.Server
}

// within is table, as long as the time lasts.
func (e *engine) within(ctx context.Context, d time.Duration, from, to []geo.Point) (Table, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return e.table(ctx, from, to)
}

// table answers from the cache, and asks for what it does not have.
func (e *engine) table(ctx context.Context, from, to []geo.Point) (Table, error) {
	q := e.question(from, to)
	kept, err := e.cfg.Cache(ctx, e.spec.Name, q.keys, func(ctx context.Context, missing []int) ([]Cell, error) {
		return e.fetch(ctx, q, missing)
	})
	if err != nil {
		return Table{}, err
	}
	t := Table{Cells: newMatrix(len(from), len(to)), Source: e.spec.Kind}
	for i := range t.Cells {
		for j := range t.Cells[i] {
			t.Cells[i][j].Unreachable = true // farther apart than the engine takes
		}
	}
	for n, c := range kept {
		p := q.pairs[n]
		switch {
		case c.OffRoad:
			c = e.cfg.Estimate.Cell(from[p.row], to[p.column])
			c.OffRoad = true
			t.Estimated++
			t.Misses++
		case c.Hit:
			t.Hits++
		default:
			t.Misses++
		}
		t.Cells[p.row][p.column] = c
	}
	return t, nil
}

// A pair is a cell by its ends.
type pair struct{ row, column int }

// question is what is asked of an engine, the pairs that it takes.
type question struct {
	from, to []geo.Point
	pairs    []pair
	keys     []string
}

func (e *engine) question(from, to []geo.Point) question {
	q := question{from: from, to: to}
	names := func(points []geo.Point) []string {
		names := make([]string, len(points))
		for i, p := range points {
			row, column := squareOf(p)
			names[i] = strconv.FormatInt(row, 36) + "," + strconv.FormatInt(column, 36)
		}
		return names
	}
	starts, ends := names(from), names(to)
	for i := range from {
		for j := range to {
			if e.tooFar(from[i], to[j]) {
				continue
			}
			q.pairs = append(q.pairs, pair{i, j})
			q.keys = append(q.keys, e.owner+starts[i]+"|"+ends[j])
		}
	}
	return q
}

// otherSphere allows for engines whose earth is a little larger than ours.
const otherSphere = .995

func (e *engine) tooFar(a, b geo.Point) bool {
	return e.spec.MaxKM > 0 && geo.Distance(a, b) > e.spec.MaxKM*1000*otherSphere
}

// fetch asks for the missing pairs of a question. Where the engine refuses a block for some
// of its points, it is asked again without those: it names them, or they are found by
// halves. Pairs about which nothing is known after maxCalls are off the road for now.
func (e *engine) fetch(ctx context.Context, q question, missing []int) ([]Cell, error) {
	pairs := make([]pair, len(missing))
	for i, n := range missing {
		pairs[i] = q.pairs[n]
	}
	todo := e.blocks(q, pairs)
	if len(todo) > maxCalls {
		return nil, e.server.Fail(outbound.ErrUnavailable, errScattered)
	}
	cells := make(map[pair]Cell, len(pairs))
	for calls := 0; calls < maxCalls && len(todo) > 0; calls++ {
		b := todo[0]
		todo = todo[1:]
		ask := e.kind.ask
		if b.stage == locating {
			ask = e.kind.locate
		}
		answer, err := e.call(ctx, ask, b, q)
		if err != nil {
			return nil, err
		}
		todo = append(todo, b.heed(cells, answer, e.kind.locate != nil)...)
	}
	out := make([]Cell, len(pairs))
	for i, p := range pairs {
		c, known := cells[p]
		if !known {
			c = Cell{OffRoad: true, Unkept: true}
		}
		out[i] = c
	}
	return out, nil
}

// call asks about a block once the guard lets it.
func (e *engine) call(ctx context.Context, ask asker, b block, q question) (said, error) {
	from, to := b.of(q)
	return e.guard.Ask(ctx, budget.People, time.Now().Add(e.cfg.Wait), func(waited time.Duration) (said, error) { //nolint:wrapcheck // says who
		began := time.Now()
		answer, err := ask(ctx, &e.server, e.spec.Profile, from, to)
		if err != nil && ctx.Err() != nil {
			err = outbound.CallerGone(ctx, e.spec.Name)
		}
		outcome := "found"
		if err != nil {
			outcome = outbound.Label(err)
		}
		e.cfg.Observe(Call{e.spec.Name, outcome, len(from) * len(to), waited, time.Since(began)})
		return answer, err
	})
}

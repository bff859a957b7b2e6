package routing

import (
	"errors"
	"slices"

	"geogate/internal/geo"
)

// A block is a part of a matrix that one call asks for.
type block struct {
	rows, columns []int
	stage         stage
}

// A stage is how far the search for the points of a block has come that are near no road.
type stage int

const (
	unsearched stage = iota
	locating         // the next call asks the engine for them
	located          // all of them are left out
	unnamed          // the engine does not say
)

func (b block) of(q question) (from, to []geo.Point) {
	for _, i := range b.rows {
		from = append(from, q.from[i])
	}
	for _, j := range b.columns {
		to = append(to, q.to[j])
	}
	return from, to
}

// fill takes over what an engine says of the block.
func (b block) fill(cells map[pair]Cell, m Matrix) {
	for i, row := range b.rows {
		for j, column := range b.columns {
			cells[pair{row, column}] = m[i][j]
		}
	}
}

// heed takes over what an engine says of the block, and returns what to ask it next.
// canLocate: it has a call that names the points near no road.
func (b block) heed(cells map[pair]Cell, answer said, canLocate bool) []block {
	same := block{b.rows, b.columns, b.stage}
	switch {
	case b.stage == locating && answer.refused:
		same.stage = unnamed
	case b.stage == locating:
		same.stage = located
	case !answer.refused:
		b.fill(cells, answer.matrix)
		return nil
	case b.stage == unsearched && canLocate:
		same.stage = locating
		return []block{same}
	}
	switch {
	case len(answer.offRoad) > 0:
		return same.without(cells, answer.offRoad)
	case len(b.rows) == 1 && len(b.columns) == 1:
		// If both ends are near a road, no way joins the two roads.
		cells[pair{b.rows[0], b.columns[0]}] = Cell{Unreachable: same.stage == located, OffRoad: same.stage != located}
		return nil
	}
	return same.halves()
}

// without leaves out the points near no road, which are numbered as in [said], and returns
// what there is left to ask.
func (b block) without(cells map[pair]Cell, offRoad []int) []block {
	rest := block{stage: b.stage}
	for i, row := range b.rows {
		if !slices.Contains(offRoad, i) {
			rest.rows = append(rest.rows, row)
		}
	}
	for j, column := range b.columns {
		if !slices.Contains(offRoad, len(b.rows)+j) {
			rest.columns = append(rest.columns, column)
		}
	}
	for _, row := range b.rows {
		for _, column := range b.columns {
			if !slices.Contains(rest.rows, row) || !slices.Contains(rest.columns, column) {
				cells[pair{row, column}] = Cell{OffRoad: true}
			}
		}
	}
	if len(rest.rows) == 0 || len(rest.columns) == 0 {
		return nil
	}
	return []block{rest}
}

// halves splits the longer side of a block.
func (b block) halves() []block {
	first, second := b, b
	if n := len(b.rows) / 2; len(b.rows) >= len(b.columns) {
		first.rows, second.rows = b.rows[:n], b.rows[n:]
		return []block{first, second}
	}
	n := len(b.columns) / 2
	first.columns, second.columns = b.columns[:n], b.columns[n:]
	return []block{first, second}
}

const (
	// maxGroups of rows that miss the same cells are asked for apart; of more,
	// the cells between them are asked for, too.
	maxGroups = 4
	// maxCalls is how many calls one question may cause: pairs not answered by then are
	// estimated.
	maxCalls = 16
)

var errScattered = errors.New("the question takes too many calls")

// blocks splits the pairs into calls that an engine takes.
func (e *engine) blocks(q question, pairs []pair) []block {
	columns := map[int][]int{} // of each row
	var rows []int
	for _, p := range pairs {
		if columns[p.row] == nil {
			rows = append(rows, p.row)
		}
		columns[p.row] = append(columns[p.row], p.column)
	}
	var groups []block
	for _, row := range rows {
		i := slices.IndexFunc(groups, func(b block) bool { return slices.Equal(b.columns, columns[row]) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, block{columns: columns[row]})
		}
		groups[i].rows = append(groups[i].rows, row)
	}
	if whole := unionOf(groups); len(groups) > maxGroups && !e.reachesTooFar(q, whole) {
		groups = []block{whole}
	}
	var calls []block
	for _, g := range groups {
		for some := range slices.Chunk(g.columns, e.spec.MaxPairs) {
			for rows := range slices.Chunk(g.rows, e.spec.MaxPairs/len(some)) {
				calls = append(calls, block{rows: rows, columns: some})
			}
		}
	}
	return calls
}

// unionOf is the smallest block that holds all of them.
func unionOf(groups []block) block {
	var all block
	for _, g := range groups {
		all.rows = append(all.rows, g.rows...)
		all.columns = append(all.columns, g.columns...)
	}
	slices.Sort(all.rows)
	slices.Sort(all.columns)
	all.columns = slices.Compact(all.columns)
	return all
}

// reachesTooFar reports whether a block has a pair that the engine does not take.
func (e *engine) reachesTooFar(q question, b block) bool {
	for _, i := range b.rows {
		for _, j := range b.columns {
			if e.tooFar(q.from[i], q.to[j]) {
				return true
			}
		}
	}
	return false
}

package routing

import (
	"errors"
	"slices"

	"geogate/internal/geo"
)

// A block is a part of a matrix that one call asks for.
type block struct{ rows, columns []int }

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

// halves splits the longer side of a block.
func (b block) halves() []block {
	if n := len(b.rows) / 2; len(b.rows) >= len(b.columns) {
		return []block{{b.rows[:n], b.columns}, {b.rows[n:], b.columns}}
	}
	n := len(b.columns) / 2
	return []block{{b.rows, b.columns[:n]}, {b.rows, b.columns[n:]}}
}

const (
	// maxGroups of rows that miss the same cells are asked for apart; of more,
	// the cells between them are asked for, too.
	maxGroups = 4
	// maxCalls is how many calls one question may cause.
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
				calls = append(calls, block{rows, some})
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

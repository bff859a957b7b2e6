// Package routing tells how long it takes to drive from each of some points to
// each of others. A [Router] asks the routing engines of ROUTER in their order,
// within budgets and behind breakers as geocoders are asked, and keeps what they
// say in cells: one for each pair of squares of some 50 m.
//
// It promises that Table answers: where no engine does, with an estimate that
// says so.
package routing

import (
	"cmp"
	"context"
	"math"
	"time"

	"geogate/internal/geo"
)

// A Cell is the way from one point to another. Unreachable, there is none.
type Cell struct {
	Seconds     float64
	Metres      float64
	Unreachable bool
	// OffRoad: one end is near no road that the engine knows. A [Router] estimates the
	// way; a [Cache] has no Seconds and Metres of it.
	OffRoad bool
	// Unkept: the engine was not asked to the end, so that no Cache may keep the cell.
	Unkept bool
	Hit    bool // it was kept from before
}

// A Matrix has a row for each origin and in it a cell for each destination.
type Matrix [][]Cell

// SourceEstimate is the source of a table that no engine has made.
const SourceEstimate = "estimate"

// A Table is a matrix and where it comes from.
type Table struct {
	Cells  Matrix
	Source string // the kind of the engine, or SourceEstimate: one for all cells but those OffRoad
	Hits   int    // cells that were kept from before
	Misses int    // cells that were asked for, or estimated
	// Estimated is how many of the misses are.
	Estimated int
}

// MaxEnds is how many points one question may have on each side.
const MaxEnds = 100

// The most that one cell may say: once around the world on foot. Anything above
// is nonsense.
const (
	maxSeconds = 60 * 24 * 3600
	maxMetres  = 100_000_000
)

// sane reports whether an engine can mean the cell.
func (c Cell) sane() bool {
	return c.Unreachable || c.Seconds >= 0 && c.Seconds <= maxSeconds && c.Metres >= 0 && c.Metres <= maxMetres
}

// Estimate is how the way is guessed where no engine knows it.
type Estimate struct {
	Detour float64 // how much longer the way is than the straight line; 0: 1.3
	KMH    float64 // speed along it, in km/h; 0: 30
}

const (
	defaultDetour = 1.3
	defaultKMH    = 30
)

// Cell guesses the way between two points.
func (e Estimate) Cell(from, to geo.Point) Cell {
	metres := geo.Distance(from, to) * cmp.Or(e.Detour, defaultDetour)
	return Cell{Seconds: metres / (cmp.Or(e.KMH, defaultKMH) / 3.6), Metres: metres}
}

func (e Estimate) table(from, to []geo.Point) Table {
	t := Table{Cells: newMatrix(len(from), len(to)), Source: SourceEstimate, Misses: len(from) * len(to), Estimated: len(from) * len(to)}
	for i, a := range from {
		for j, b := range to {
			t.Cells[i][j] = e.Cell(a, b)
		}
	}
	return t
}

func newMatrix(rows, columns int) Matrix {
	m, cells := make(Matrix, rows), make([]Cell, rows*columns)
	for i := range m {
		m[i] = cells[i*columns : (i+1)*columns]
	}
	return m
}

// A Cache keeps cells for as long as [Life]. It is called with the name of an
// engine and the keys of all cells that are wanted, and returns them in that
// order. Those that are not kept it obtains by calling fill with their indexes:
// once, for callers who want the same at the same time. fill may still run when
// its caller has left.
type Cache func(ctx context.Context, engine string, keys []string, fill Fill) ([]Cell, error)

// Fill obtains the cells of some keys, by index.
type Fill func(ctx context.Context, missing []int) ([]Cell, error)

// Life is how long a cell is kept.
const Life = 10 * time.Minute

// square is the side of the squares that share a cell, in metres.
const square = 50

// metresPerDegree of latitude.
const metresPerDegree = geo.EarthRadius * math.Pi / 180

// squareOf numbers the square that a point lies in. The rows are as high
// everywhere, and each row has squares as wide as they are high, about.
func squareOf(p geo.Point) (row, column int64) {
	const height = square / metresPerDegree
	row = int64(math.Floor(p.Lat / height))
	width := height / max(math.Cos((float64(row)+.5)*height*math.Pi/180), .01)
	return row, int64(math.Floor(p.Lon / width))
}

package routing

import (
	"fmt"
	"testing"

	"geogate/internal/geo"
)

// Only what is missing is asked for, in calls that an engine takes.
func TestBlocks(t *testing.T) {
	near := func(n int) []geo.Point {
		points := make([]geo.Point, n)
		for i := range points {
			points[i] = geo.Point{Lat: 47 + float64(i)/1000, Lon: 9.5}
		}
		return points
	}
	all := func(rows, columns int) (pairs []pair) {
		for i := range rows {
			for j := range columns {
				pairs = append(pairs, pair{i, j})
			}
		}
		return pairs
	}
	diagonal := make([]pair, 20)
	for i := range diagonal {
		diagonal[i] = pair{i, i}
	}
	tests := []struct {
		name     string
		from, to int
		pairs    []pair
		maxPairs int
		want     string // rows x columns of each call
	}{
		{"one pair", 1, 1, all(1, 1), 2500, "1x1"},
		{"candidates and a pickup", 16, 1, all(16, 1), 2500, "16x1"},
		{"a new driver", 16, 1, []pair{{7, 0}}, 2500, "1x1"},
		{"a new target", 10, 5, []pair{{0, 4}, {1, 4}, {2, 4}}, 2500, "3x1"},
		{"a new source and a new target", 3, 3, []pair{{0, 2}, {1, 2}, {2, 0}, {2, 1}, {2, 2}}, 2500, "2x1 1x3"},
		{"scattered", 20, 20, diagonal, 2500, "20x20"},
		{"the largest question", 100, 100, all(100, 100), 2500, "25x100 25x100 25x100 25x100"},
		{"an engine that takes little", 4, 3, all(4, 3), 2, "1x2 1x2 1x2 1x2 2x1 2x1"},
	}
	for _, tt := range tests {
		e := &engine{spec: Spec{MaxPairs: tt.maxPairs}}
		q := question{from: near(tt.from), to: near(tt.to)}
		got, covered := "", map[pair]bool{}
		for _, b := range e.blocks(q, tt.pairs) {
			if len(b.rows)*len(b.columns) > tt.maxPairs {
				t.Errorf("%s: a call of %d pairs", tt.name, len(b.rows)*len(b.columns))
			}
			got += fmt.Sprintf(" %dx%d", len(b.rows), len(b.columns))
			for _, i := range b.rows {
				for _, j := range b.columns {
					covered[pair{i, j}] = true
				}
			}
		}
		if got != " "+tt.want {
			t.Errorf("%s: calls of%s, want %s", tt.name, got, tt.want)
		}
		for _, p := range tt.pairs {
			if !covered[p] {
				t.Errorf("%s: %v is not asked for", tt.name, p)
			}
		}
	}
}

package roads

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"geogate/cache"
	"geogate/internal/routing"
)

// The outcomes of cells: found has a way and unreachable none; an end of offRoad is near no
// road.
const (
	found       = "found"
	unreachable = "unreachable"
	offRoad     = "off_road"
)

// Cells keeps the cells of a router where the answers of geocoders are kept.
func Cells(store *cache.Cache) routing.Cache {
	return func(ctx context.Context, engine string, keys []string, fill routing.Fill) ([]routing.Cell, error) {
		results, err := store.GetMany(ctx, keys, func(ctx context.Context, missing []int) ([]cache.Entry, error) {
			cells, err := fill(ctx, missing)
			if err != nil {
				return nil, err
			}
			entries := make([]cache.Entry, len(cells))
			for i, c := range cells {
				entries[i] = entryOf(engine, c)
			}
			return entries, nil
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // the caller's own, or what fill said
		}
		cells := make([]routing.Cell, len(results))
		for i, r := range results {
			cells[i] = cellOf(r.Entry)
			cells[i].Hit = r.Class == cache.Hit
		}
		return cells, nil
	}
}

// entryOf writes a cell as its seconds and metres.
func entryOf(engine string, c routing.Cell) cache.Entry {
	e := cache.Entry{Status: http.StatusOK, Provider: engine, Outcome: unreachable, Fresh: routing.Life, NoStore: c.Unkept}
	switch {
	case c.OffRoad:
		e.Outcome = offRoad
	case !c.Unreachable:
		e.Outcome = found
		b := strconv.AppendFloat(nil, c.Seconds, 'f', -1, 64)
		e.Body = strconv.AppendFloat(append(b, ' '), c.Metres, 'f', -1, 64)
	}
	return e
}

// cellOf reads what entryOf has written.
func cellOf(e *cache.Entry) routing.Cell {
	if e.Outcome == offRoad {
		return routing.Cell{OffRoad: true}
	}
	seconds, metres, _ := strings.Cut(string(e.Body), " ")
	s, errS := strconv.ParseFloat(seconds, 64)
	m, errM := strconv.ParseFloat(metres, 64)
	if e.Outcome != found || errS != nil || errM != nil {
		return routing.Cell{Unreachable: true}
	}
	return routing.Cell{Seconds: s, Metres: m}
}

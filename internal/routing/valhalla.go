package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"geogate/internal/geo"
	"geogate/internal/outbound"
)

type valhallaPoint struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// askValhalla asks /sources_to_targets: times are seconds and distances
// kilometres, null where there is no way.
func askValhalla(ctx context.Context, s *outbound.Server, costing string, from, to []geo.Point) (said, error) {
	question, err := json.Marshal(struct {
		Sources []valhallaPoint `json:"sources"`
		Targets []valhallaPoint `json:"targets"`
		Costing string          `json:"costing"`
		Units   string          `json:"units"`
	}{valhallaPoints(from), valhallaPoints(to), costing, "kilometers"})
	if err != nil {
		return said{}, s.Fail(outbound.ErrInvalidAnswer, err)
	}
	rep, err := s.PostJSON(ctx, "/sources_to_targets", question)
	if err != nil {
		return said{}, err //nolint:wrapcheck // an *outbound.Error, which says who
	}
	answer, err := readValhalla(rep.Body, len(from), len(to))
	if err != nil {
		return said{}, s.Fail(outbound.ErrInvalidAnswer, fmt.Errorf("%w (status %d)", err, rep.Status))
	}
	return answer, nil
}

func valhallaPoints(points []geo.Point) []valhallaPoint {
	out := make([]valhallaPoint, len(points))
	for i, p := range points {
		out[i] = valhallaPoint{p.Lat, p.Lon}
	}
	return out
}

// Why Valhalla refuses a whole question. A point that is near no road is noSuitableEdges
// up to Valhalla 3.6 and unconnected from 3.7 on, which also are points of two parts of
// the map that no road joins. noPath: there is no way for any of the pairs.
const (
	unconnected     = 170
	noSuitableEdges = 171
	noPath          = 442
)

func readValhalla(body []byte, rows, columns int) (said, error) {
	var answer struct {
		Units string `json:"units"`
		Table [][]struct {
			From     *int     `json:"from_index"`
			To       *int     `json:"to_index"`
			Time     *float64 `json:"time"`
			Distance *float64 `json:"distance"`
		} `json:"sources_to_targets"`
		ErrorCode int `json:"error_code"`
	}
	switch err := json.Unmarshal(body, &answer); {
	case err != nil:
		return said{}, errUndocumented
	case answer.ErrorCode == noSuitableEdges, answer.ErrorCode == unconnected:
		return said{refused: true}, nil
	case answer.ErrorCode == noPath:
		m := newMatrix(rows, columns)
		for i := range m {
			for j := range m[i] {
				m[i][j].Unreachable = true
			}
		}
		return said{matrix: m}, nil
	case answer.ErrorCode != 0:
		return said{}, fmt.Errorf("error_code %d", answer.ErrorCode)
	case answer.Units != "kilometers":
		return said{}, fmt.Errorf("units %.20q", answer.Units)
	case len(answer.Table) != rows:
		return said{}, errShape
	}
	m := newMatrix(rows, columns)
	for i, row := range answer.Table {
		if len(row) != columns {
			return said{}, errShape
		}
		for j, c := range row {
			if c.From != nil && *c.From != i || c.To != nil && *c.To != j {
				return said{}, errOrder
			}
			var err error
			if m[i][j], err = cellOf(c.Time, c.Distance, 1000); err != nil {
				return said{}, err
			}
		}
	}
	return said{matrix: m}, nil
}

// locateValhalla asks /locate which points are near no road. An operator may have turned it
// off.
func locateValhalla(ctx context.Context, s *outbound.Server, costing string, from, to []geo.Point) (said, error) {
	question, err := json.Marshal(struct {
		Locations []valhallaPoint `json:"locations"`
		Costing   string          `json:"costing"`
	}{valhallaPoints(slices.Concat(from, to)), costing})
	if err != nil {
		return said{}, s.Fail(outbound.ErrInvalidAnswer, err)
	}
	rep, err := s.PostJSON(ctx, "/locate", question)
	if err != nil {
		return said{}, err //nolint:wrapcheck // an *outbound.Error, which says who
	}
	var found []struct {
		Edges []json.RawMessage `json:"edges"`
	}
	if json.Unmarshal(rep.Body, &found) != nil || len(found) != len(from)+len(to) {
		return said{refused: true}, nil //nolint:nilerr // an answer that names nobody
	}
	var answer said
	for i, point := range found {
		if len(point.Edges) == 0 {
			answer.offRoad = append(answer.offRoad, i)
		}
	}
	return answer, nil
}

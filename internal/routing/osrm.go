package routing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/outbound"
)

// askOSRM asks the table service of OSRM, version 1: coordinates are lon,lat,
// times are seconds and distances metres, null where there is no way.
func askOSRM(ctx context.Context, s *outbound.Server, profile string, from, to []geo.Point) (said, error) {
	var path strings.Builder
	path.WriteString("/table/v1/" + profile + "/")
	for i, p := range append(slices.Clip(from), to...) {
		if i > 0 {
			path.WriteByte(';')
		}
		path.WriteString(degrees(p.Lon) + "," + degrees(p.Lat))
	}
	query := "sources=" + indexes(0, len(from)) + "&destinations=" + indexes(len(from), len(to)) + "&annotations=duration,distance"
	rep, err := s.Get(ctx, path.String(), query, "")
	if err != nil {
		return said{}, err //nolint:wrapcheck // an *outbound.Error, which says who
	}
	answer, err := readOSRM(rep.Body, len(from), len(to))
	if err != nil {
		return said{}, s.Fail(outbound.ErrInvalidAnswer, fmt.Errorf("%w (status %d)", err, rep.Status))
	}
	return answer, nil
}

// indexes lists n numbers from first on.
func indexes(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String()
}

// degrees writes a coordinate to 6 decimals, a tenth of a metre.
func degrees(d float64) string { return strconv.FormatFloat(d, 'f', 6, 64) }

// What is wrong with answers.
var (
	errUndocumented = errors.New("not JSON as documented")
	errShape        = errors.New("another number of rows or columns than was asked for")
	errOrder        = errors.New("cells in another order than was asked for")
	errImpossible   = errors.New("a time or a distance that no way has")
)

func readOSRM(body []byte, rows, columns int) (said, error) {
	var answer struct {
		Code      string       `json:"code"`
		Message   string       `json:"message"`
		Durations [][]*float64 `json:"durations"`
		Distances [][]*float64 `json:"distances"`
	}
	switch err := json.Unmarshal(body, &answer); {
	case err != nil:
		return said{}, errUndocumented
	case answer.Code == "NoSegment":
		return said{refused: true, offRoad: named(answer.Message, rows+columns)}, nil
	case answer.Code != "Ok":
		return said{}, fmt.Errorf("code %.40q", answer.Code)
	case len(answer.Durations) != rows || len(answer.Distances) != rows:
		return said{}, errShape
	}
	m := newMatrix(rows, columns)
	for i := range m {
		if len(answer.Durations[i]) != columns || len(answer.Distances[i]) != columns {
			return said{}, errShape
		}
		for j := range m[i] {
			var err error
			if m[i][j], err = cellOf(answer.Durations[i][j], answer.Distances[i][j], 1); err != nil {
				return said{}, err
			}
		}
	}
	return said{matrix: m}, nil
}

// named reads which of the points a refusal means: OSRM names the first that is near no
// road, by its index. Without one that can be meant it is none.
func named(message string, points int) []int {
	last := message[strings.LastIndexByte(message, ' ')+1:]
	if i, err := strconv.Atoi(last); err == nil && i >= 0 && i < points {
		return []int{i}
	}
	return nil
}

// cellOf makes a cell of what an engine says, its distance in units of so many
// metres.
func cellOf(seconds, distance *float64, unit float64) (Cell, error) {
	if seconds == nil || distance == nil {
		return Cell{Unreachable: true}, nil
	}
	c := Cell{Seconds: *seconds, Metres: *distance * unit}
	if !c.sane() {
		return Cell{}, errImpossible
	}
	return c, nil
}

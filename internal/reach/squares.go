package reach

import (
	"math"
	"slices"

	"geogate/internal/geo"
)

// deepest is how many levels of squares a score in a geo index has, each square being four
// of the next level.
const deepest = 26

const (
	earthM    = 6372797.560856 // the radius by which Redis measures
	mercatorM = 20037726.37    // half of the equator, as Redis has it
)

// square is one of the deepest level, counted from the south-west.
type square struct{ x, y int64 }

func squareOf(p geo.Point) square {
	const size = 1 << deepest
	x := int64((p.Lon + 180) / 360 * size)
	y := int64((p.Lat + geo.MaxMercatorLat) / (2 * geo.MaxMercatorLat) * size)
	return square{min(x, size-1), max(0, min(y, size-1))}
}

// score is what members in the square have in a geo index: the bits of x and y by turns.
func (s square) score() uint64 {
	var score uint64
	for i := range deepest {
		score |= uint64(s.x)>>i&1<<(2*i+1) | uint64(s.y)>>i&1<<(2*i)
	}
	return score
}

// Span is a range of scores of a geo index, its ends included.
type Span struct{ First, Last uint64 }

// Around returns the scores of all members that GEOSEARCH may measure for a circle around p
// with a radius in metres, and some more: up to four spans, and their area in square metres.
// GEOSEARCH measures the members of nine squares around p, of a level that follows from the
// radius (geohashEstimateStepsByRadius and geohashCalculateAreasByShapeWGS84 in Redis 7); four
// of the level above hold those. false: the circle is too large for that.
func Around(p geo.Point, radius float64) (spans []Span, area float64, ok bool) {
	level := -1
	for r := radius; r < mercatorM; r *= 2 {
		level++
	}
	if math.Abs(p.Lat) > 66 {
		level--
	}
	if math.Abs(p.Lat) > 80 {
		level--
	}
	level = min(deepest, level)
	// Where the circle may reach beyond the nine, Redis takes the level above.
	height := 2 * geo.MaxMercatorLat * math.Pi / 180 * earthM
	width := 2 * math.Pi * math.Cos(p.Lat*math.Pi/180) * earthM
	if radius > 0.99*min(height, width)*math.Pow(2, float64(-level)) {
		level--
	}
	if level < 2 {
		return nil, 0, false
	}
	above := deepest - level + 1 // the squares of the level above have sides of 2^above
	size := int64(1) << (level - 1)
	s := squareOf(p)
	x, y := s.x>>(above-1), s.y>>(above-1)
	var scores []uint64
	for column := (x - 1) >> 1; column <= (x+1)>>1; column++ {
		for row := max(0, (y-1)>>1); row <= min(size-1, (y+1)>>1); row++ {
			scores = append(scores, square{column & (size - 1), row}.score())
		}
	}
	slices.Sort(scores)
	for _, score := range scores {
		first, last := score<<(2*above), (score+1)<<(2*above)-1
		if n := len(spans); n > 0 && spans[n-1].Last+1 == first {
			spans[n-1].Last = last
			continue
		}
		spans = append(spans, Span{first, last})
	}
	return spans, float64(len(scores)) * width * height * math.Pow(4, float64(1-level)), true
}

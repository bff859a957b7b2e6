package packed

import (
	"math"

	"geogate/internal/geo"
)

// The places lie in the order of an implicit kd-tree over their positions on
// the unit sphere: the middle of a range is its node, what lies before has a
// coordinate not larger, what lies after one not smaller, and the axes take
// turns. On the sphere neither the poles nor the date line are a special case.

type vector [3]float64

func onSphere(p geo.Point) vector {
	sinLat, cosLat := math.Sincos(p.Lat * math.Pi / 180)
	sinLon, cosLon := math.Sincos(p.Lon * math.Pi / 180)
	return vector{cosLat * cosLon, cosLat * sinLon, sinLat}
}

// chord is the straight distance on the unit sphere between points that lie
// metres apart.
func chord(metres float64) float64 {
	if half := metres / (2 * geo.EarthRadius); half < math.Pi/2 {
		return 2 * math.Sin(max(0, half))
	}
	return 2
}

// Nearest returns the place with the smallest cost and that cost, or ok false
// when none costs less than limit. cost is asked for a place and its distance
// in metres; it must not be less than the distance minus slack, and may be
// infinite to leave the place out.
func (f *File) Nearest(p geo.Point, slack, limit float64, cost func(i int, metres float64) float64) (i int, least float64, ok bool) {
	n := nearest{file: f, point: p, at: onSphere(p), slack: slack, least: limit, best: -1, cost: cost}
	n.visit(0, f.Places(), 0)
	return n.best, n.least, n.best >= 0
}

type nearest struct {
	file  *File
	point geo.Point
	at    vector
	slack float64
	cost  func(int, float64) float64
	best  int
	least float64
}

func (n *nearest) visit(low, high, axis int) {
	if low >= high {
		return
	}
	middle := (low + high) / 2
	place := n.file.Point(middle)
	if c := n.cost(middle, geo.Distance(n.point, place)); c < n.least {
		n.best, n.least = middle, c
	}
	across := n.at[axis] - onSphere(place)[axis]
	next := (axis + 1) % 3
	if across < 0 {
		n.visit(low, middle, next)
	} else {
		n.visit(middle+1, high, next)
	}
	// The other side is at least this far away. A hair of slack makes up for
	// the rounding of the builder's machine against this one.
	if math.Abs(across) > chord(n.least+n.slack)+1e-12 {
		return
	}
	if across < 0 {
		n.visit(middle+1, high, next)
	} else {
		n.visit(low, middle, next)
	}
}

// Within calls yield with the places that lie within some metres of p, after it
// has looked at no more than most places.
func (f *File) Within(p geo.Point, metres float64, most int, yield func(i int)) {
	at, reach := onSphere(p), chord(metres)
	var visit func(low, high, axis int)
	visit = func(low, high, axis int) {
		if low >= high || most == 0 {
			return
		}
		most--
		middle := (low + high) / 2
		place := onSphere(f.Point(middle))
		x, y, z := at[0]-place[0], at[1]-place[1], at[2]-place[2]
		if x*x+y*y+z*z <= reach*reach {
			yield(middle)
		}
		across, next := at[axis]-place[axis], (axis+1)%3
		near, far := [2]int{low, middle}, [2]int{middle + 1, high}
		if across > 0 {
			near, far = far, near
		}
		visit(near[0], near[1], next)
		if math.Abs(across) <= reach {
			visit(far[0], far[1], next)
		}
	}
	visit(0, f.Places(), 0)
}

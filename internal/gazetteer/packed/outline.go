package packed

import (
	"encoding/binary"
	"math"
	"sort"

	"geogate/internal/geo"
)

// metresPerDegree of latitude, and of longitude on the equator.
const metresPerDegree = geo.EarthRadius * math.Pi / 180

// Around is a country at or near a point.
type Around struct {
	Country  int     // area
	Inside   bool    // the outline contains the point
	Distance float64 // metres to the outline, from either side; at most the tolerance unless Inside
}

// Countries returns the countries whose outline contains p or passes within
// tolerance metres of it, in no particular order. The outlines are exact to some
// ten metres where people live at a border, and take in the sea along the coasts
// in a wide sweep: see [File.OnLand].
func (f *File) Countries(p geo.Point, tolerance float64) []Around {
	rings := f.section[ringsAt]
	return f.around(rings[:f.landAt()], p, tolerance)
}

// OnLand reports whether p is on land or within tolerance metres of a coast, as
// drawn for a scale of 1:50 million.
func (f *File) OnLand(p geo.Point, tolerance float64) bool {
	rings := f.section[ringsAt]
	return len(f.around(rings[f.landAt():], p, tolerance)) > 0
}

// landAt is where the rings of the land begin, behind those of all countries.
func (f *File) landAt() int {
	rings := f.section[ringsAt]
	return ringBytes * sort.Search(len(rings)/ringBytes, func(i int) bool {
		return binary.LittleEndian.Uint16(rings[i*ringBytes+20:]) == NoArea
	})
}

// around are the countries that the rings are of and that contain p or pass
// within tolerance metres.
func (f *File) around(rings []byte, p geo.Point, tolerance float64) []Around {
	var found []Around
	slot := func(country int) *Around {
		for i := range found {
			if found[i].Country == country {
				return &found[i]
			}
		}
		found = append(found, Around{Country: country, Distance: math.Inf(1)})
		return &found[len(found)-1]
	}
	latMargin := tolerance / metresPerDegree
	lonMargin := latMargin / max(math.Cos(p.Lat*math.Pi/180), latMargin/360)
	for at := 0; at < len(rings); at += ringBytes {
		row := rings[at : at+ringBytes]
		box := Box{
			South: degrees(row[0:], ringUnit), North: degrees(row[4:], ringUnit),
			West: degrees(row[8:], ringUnit), East: degrees(row[12:], ringUnit),
		}
		if p.Lat < box.South-latMargin || p.Lat > box.North+latMargin {
			continue
		}
		// A ring that crosses the date line goes on beyond 180 degrees, so a
		// point may have to be sought a turn further.
		inside, near, distance := false, false, math.Inf(1)
		for _, turn := range [...]float64{0, 360, -360} {
			q := geo.Point{Lat: p.Lat, Lon: p.Lon + turn}
			if q.Lon < box.West-lonMargin || q.Lon > box.East+lonMargin {
				continue
			}
			in, metres := f.ring(row, q)
			inside, near, distance = inside || in, true, min(distance, metres)
		}
		if near {
			around := slot(int(binary.LittleEndian.Uint16(row[20:])))
			around.Inside = around.Inside != inside // a hole is a ring in a ring
			around.Distance = min(around.Distance, distance)
		}
	}
	near := found[:0]
	for _, a := range found {
		if a.Inside || a.Distance <= tolerance {
			near = append(near, a)
		}
	}
	return near
}

// ring tells on which side of a ring p lies and how far from it, in metres.
func (f *File) ring(row []byte, p geo.Point) (inside bool, metres float64) {
	data := f.section[pointsAt][binary.LittleEndian.Uint32(row[16:]):]
	count := int(binary.LittleEndian.Uint16(row[22:]))
	squeeze := math.Cos(p.Lat * math.Pi / 180)
	nearest := math.Inf(1)
	var x, y int64
	var before, now [2]float64 // relative to p, in degrees of latitude
	for i := range count {
		dx, n := binary.Varint(data)
		dy, m := binary.Varint(data[n:])
		data = data[n+m:]
		x, y = x+dx, y+dy
		before = now
		now = [2]float64{float64(x)/ringUnit - p.Lon, float64(y)/ringUnit - p.Lat}
		if i == 0 {
			now[0] *= squeeze
			continue
		}
		now[0] *= squeeze
		if (before[1] > 0) != (now[1] > 0) &&
			before[0]+(now[0]-before[0])*before[1]/(before[1]-now[1]) > 0 {
			inside = !inside
		}
		nearest = min(nearest, squareToSegment(before, now))
	}
	return inside, math.Sqrt(nearest) * metresPerDegree
}

// squareToSegment is the square of the distance from the origin to the segment
// from a to b.
func squareToSegment(a, b [2]float64) float64 {
	x, y := b[0]-a[0], b[1]-a[1]
	if length := x*x + y*y; length > 0 {
		t := max(0, min(1, -(a[0]*x+a[1]*y)/length))
		x, y = a[0]+t*x, a[1]+t*y
	} else {
		x, y = a[0], a[1]
	}
	return x*x + y*y
}

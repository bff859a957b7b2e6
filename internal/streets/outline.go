package streets

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/place"
	"geogate/internal/streets/packed"
)

// Notation is a way to write an outline.
type Notation uint8

// The notations, as Nominatim's parameters polygon_geojson, polygon_kml,
// polygon_svg and polygon_text ask for them.
const (
	GeoJSON Notation = iota + 1
	KML
	SVG
	WKT
)

// outline is the shape of a place: polygons with the outer ring first, or
// lines, of which one may be a single point.
type outline struct {
	polygons [][][]packed.Point
	lines    [][]packed.Point
}

// outline is that of an area, the line of a street, or a point.
func (s *Streets) outline(m Match, o *packed.Object) (l outline) {
	switch {
	case o.Shape != 0:
		l.polygons = polygons(s.file.Shape(o.Shape - 1))
	case m.way != 0 && int(m.way) <= len(o.Ways):
		l.lines = s.file.Shape(o.Ways[m.way-1].Shape)
	case m.house == 0:
		for _, w := range o.Ways {
			l.lines = append(l.lines, s.file.Shape(w.Shape)...)
		}
	}
	l.lines = slices.DeleteFunc(l.lines, func(line []packed.Point) bool { return len(line) == 0 })
	if len(l.polygons)+len(l.lines) == 0 {
		l.lines = [][]packed.Point{{{Lat: int32(math.Round(m.Point.Lat * 1e7)), Lon: int32(math.Round(m.Point.Lon * 1e7))}}}
	}
	return l
}

// in writes the outline as PostGIS does.
func (l outline) in(n Notation) (g place.Geometry) {
	switch n {
	case GeoJSON:
		coordinates := l.nested(brackets{"[", "]"}, pairs{open: "[", comma: ",", close: "]", between: ","})
		g.GeoJSON = `{"type":"` + l.name() + `","coordinates":` + coordinates + `}`
	case KML:
		g.KML = l.kml()
	case SVG:
		g.SVG = l.svg()
	case WKT:
		g.WKT = strings.ToUpper(l.name()) + l.nested(brackets{"(", ")"}, pairs{comma: " ", between: ","})
	}
	return g
}

// name is the type of geometry that the outline is.
func (l outline) name() string {
	switch {
	case len(l.polygons) > 1:
		return "MultiPolygon"
	case len(l.polygons) == 1:
		return "Polygon"
	case len(l.lines) > 1:
		return "MultiLineString"
	case l.point():
		return "Point"
	default:
		return "LineString"
	}
}

func (l outline) point() bool {
	return len(l.polygons) == 0 && len(l.lines) == 1 && len(l.lines[0]) == 1
}

// pairs says how the positions of a line are written.
type pairs struct {
	open, comma, close, between string
	down                        bool // the second coordinate grows southward
}

func (x pairs) of(line []packed.Point) string {
	var b []byte
	for i, p := range line {
		if i > 0 {
			b = append(b, x.between...)
		}
		lat := float64(p.Lat) / 1e7
		if x.down {
			lat = 0 - lat // not -0
		}
		b = append(b, x.open...)
		b = strconv.AppendFloat(b, float64(p.Lon)/1e7, 'f', -1, 64)
		b = append(b, x.comma...)
		b = strconv.AppendFloat(b, lat, 'f', -1, 64)
		b = append(b, x.close...)
	}
	return string(b)
}

// brackets stand around a list.
type brackets struct{ open, close string }

func (b brackets) around(parts []string) string { return b.open + strings.Join(parts, ",") + b.close }

// nested writes lists within lists, as many as the geometry has levels.
func (l outline) nested(b brackets, x pairs) string {
	line := func(points []packed.Point) string { return b.around([]string{x.of(points)}) }
	polygon := func(rings [][]packed.Point) string { return b.around(each(rings, line)) }
	switch {
	case len(l.polygons) == 1:
		return polygon(l.polygons[0])
	case len(l.polygons) > 1:
		return b.around(each(l.polygons, polygon))
	case l.point() && x.open != "":
		return x.of(l.lines[0])
	case len(l.lines) == 1:
		return line(l.lines[0])
	default:
		return b.around(each(l.lines, line))
	}
}

func each[T any](list []T, write func(T) string) []string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = write(v)
	}
	return parts
}

func (l outline) kml() string {
	x := pairs{comma: ",", between: " "}
	line := func(element string) func([]packed.Point) string {
		return func(points []packed.Point) string {
			return "<" + element + "><coordinates>" + x.of(points) + "</coordinates></" + element + ">"
		}
	}
	polygon := func(rings [][]packed.Point) string {
		edges := each(rings, line("LinearRing"))
		var text strings.Builder
		text.WriteString("<Polygon><outerBoundaryIs>" + edges[0] + "</outerBoundaryIs>")
		for _, hole := range edges[1:] {
			text.WriteString("<innerBoundaryIs>" + hole + "</innerBoundaryIs>")
		}
		return text.String() + "</Polygon>"
	}
	if l.point() {
		return line("Point")(l.lines[0])
	}
	parts := append(each(l.polygons, polygon), each(l.lines, line("LineString"))...)
	if len(parts) == 1 {
		return parts[0]
	}
	return "<MultiGeometry>" + strings.Join(parts, "") + "</MultiGeometry>"
}

func (l outline) svg() string {
	x := pairs{comma: " ", between: " ", down: true}
	if l.point() {
		p := l.lines[0][0]
		number := func(v int32) string { return strconv.FormatFloat(float64(v)/1e7, 'f', -1, 64) }
		return `cx="` + number(p.Lon) + `" cy="` + number(-p.Lat) + `"`
	}
	line := func(points []packed.Point) string {
		return strings.TrimSuffix("M "+x.of(points[:1])+" L "+x.of(points[1:]), " L ")
	}
	// Z draws the line back to where the ring began.
	ring := func(points []packed.Point) string { return line(points[:max(len(points)-1, 1)]) + " Z" }
	var parts []string
	for _, rings := range l.polygons {
		parts = append(parts, each(rings, ring)...)
	}
	return strings.Join(append(parts, each(l.lines, line)...), " ")
}

// polygons sorts rings into outer ones and their holes: a ring that lies in an
// odd number of others is a hole.
func polygons(rings [][]packed.Point) (list [][][]packed.Point) {
	rings = slices.DeleteFunc(rings, func(r []packed.Point) bool { return len(r) == 0 })
	around := func(i int) (outer []int) {
		for j := range rings {
			if i != j && within(rings[j], rings[i][0]) {
				outer = append(outer, j)
			}
		}
		return outer
	}
	at := map[int]int{} // the polygon of an outer ring
	var holes []int
	for i, r := range rings {
		if len(around(i))%2 != 0 {
			holes = append(holes, i)
			continue
		}
		at[i] = len(list)
		list = append(list, [][]packed.Point{r})
	}
	for _, i := range holes {
		// The hole belongs to the smallest ring around it.
		parent := slices.MinFunc(around(i), func(x, y int) int { return cmp.Compare(len(around(y)), len(around(x))) })
		if polygon, ok := at[parent]; ok {
			list[polygon] = append(list[polygon], rings[i])
		}
	}
	return list
}

func within(ring []packed.Point, p packed.Point) bool {
	in := false
	for i := 1; i < len(ring); i++ {
		in = in != packed.Crosses(ring[i-1], ring[i], p)
	}
	return in
}

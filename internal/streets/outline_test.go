package streets

import (
	"testing"

	"geogate/internal/place"
	"geogate/internal/streets/packed"
)

// TestOutlinesAreWrittenAsPostGISDoes compares each kind of outline in each
// notation with what ST_AsGeoJSON, ST_AsKML, ST_AsSVG and ST_AsText write.
func TestOutlinesAreWrittenAsPostGISDoes(t *testing.T) {
	square := func(from, to int32) []packed.Point {
		from, to = from*1e7, to*1e7
		return []packed.Point{{Lat: from, Lon: from}, {Lat: from, Lon: to}, {Lat: to, Lon: to}, {Lat: from, Lon: from}}
	}
	line := []packed.Point{{Lat: 1e7, Lon: 2e7}, {Lat: 15e6, Lon: -25e6}}
	holed := [][]packed.Point{
		{{}, {Lon: 9e7}, {Lat: 9e7, Lon: 9e7}, {Lat: 9e7}, {}},
		{{Lat: 1e7, Lon: 1e7}, {Lat: 1e7, Lon: 2e7}, {Lat: 2e7, Lon: 2e7}, {Lat: 1e7, Lon: 1e7}},
	}
	for _, tt := range []struct {
		name string
		l    outline
		want place.Geometry
	}{
		{"point", outline{lines: [][]packed.Point{{{Lat: 471234567, Lon: 95e6}}}}, place.Geometry{
			GeoJSON: `{"type":"Point","coordinates":[9.5,47.1234567]}`,
			KML:     `<Point><coordinates>9.5,47.1234567</coordinates></Point>`,
			SVG:     `cx="9.5" cy="-47.1234567"`,
			WKT:     `POINT(9.5 47.1234567)`,
		}},
		{"line", outline{lines: [][]packed.Point{line}}, place.Geometry{
			GeoJSON: `{"type":"LineString","coordinates":[[2,1],[-2.5,1.5]]}`,
			KML:     `<LineString><coordinates>2,1 -2.5,1.5</coordinates></LineString>`,
			SVG:     `M 2 -1 L -2.5 -1.5`,
			WKT:     `LINESTRING(2 1,-2.5 1.5)`,
		}},
		{"lines", outline{lines: [][]packed.Point{line, line}}, place.Geometry{
			GeoJSON: `{"type":"MultiLineString","coordinates":[[[2,1],[-2.5,1.5]],[[2,1],[-2.5,1.5]]]}`,
			KML: `<MultiGeometry><LineString><coordinates>2,1 -2.5,1.5</coordinates></LineString>` +
				`<LineString><coordinates>2,1 -2.5,1.5</coordinates></LineString></MultiGeometry>`,
			SVG: `M 2 -1 L -2.5 -1.5 M 2 -1 L -2.5 -1.5`,
			WKT: `MULTILINESTRING((2 1,-2.5 1.5),(2 1,-2.5 1.5))`,
		}},
		{"polygon with a hole", outline{polygons: polygons(holed)}, place.Geometry{
			GeoJSON: `{"type":"Polygon","coordinates":[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]}`,
			KML: `<Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 9,0 9,9 0,9 0,0</coordinates></LinearRing></outerBoundaryIs>` +
				`<innerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></innerBoundaryIs></Polygon>`,
			SVG: `M 0 0 L 9 0 9 -9 0 -9 Z M 1 -1 L 2 -1 2 -2 Z`,
			WKT: `POLYGON((0 0,9 0,9 9,0 9,0 0),(1 1,2 1,2 2,1 1))`,
		}},
		{"polygons", outline{polygons: polygons([][]packed.Point{square(1, 2), square(3, 4)})}, place.Geometry{
			GeoJSON: `{"type":"MultiPolygon","coordinates":[[[[1,1],[2,1],[2,2],[1,1]]],[[[3,3],[4,3],[4,4],[3,3]]]]}`,
			KML: `<MultiGeometry><Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></outerBoundaryIs></Polygon>` +
				`<Polygon><outerBoundaryIs><LinearRing><coordinates>3,3 4,3 4,4 3,3</coordinates></LinearRing></outerBoundaryIs></Polygon></MultiGeometry>`,
			SVG: `M 1 -1 L 2 -1 2 -2 Z M 3 -3 L 4 -3 4 -4 Z`,
			WKT: `MULTIPOLYGON(((1 1,2 1,2 2,1 1)),((3 3,4 3,4 4,3 3)))`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := place.Geometry{
				GeoJSON: tt.l.in(GeoJSON).GeoJSON, KML: tt.l.in(KML).KML, SVG: tt.l.in(SVG).SVG, WKT: tt.l.in(WKT).WKT,
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

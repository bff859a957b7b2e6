package request

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"geogate/internal/place"
)

// rule makes one parameter canonical in place, notes what it means, and
// reports whether it is sent at all. A rule leaves what it does not understand
// as it is.
type rule func(c *reading, p *param) (keep bool)

// boolean: only "0" is false, and what equals the default is left out.
func boolean(f Flag) rule {
	return func(c *reading, p *param) bool {
		value := p.value != "0"
		p.value = "0"
		if value {
			p.value = "1"
		}
		c.asked.set(f, value)
		return value != (c.rules.flags&f != 0)
	}
}

// bounded means nothing without a viewbox, and is repeated in xml, in the URL
// that asks for more.
func bounded(c *reading, p *param) bool {
	if !boolean(Bounded)(c, p) {
		return false
	}
	box, _ := c.last("viewbox")
	older, _ := c.last("viewboxlbrt")
	if box != "" || older != "" || c.format == place.XML || c.isOn("debug") {
		return true
	}
	c.asked.set(Bounded, false)
	return false
}

// field: an empty value counts as absent. The formats that repeat the question
// repeat it as it came.
func field(f Field) rule {
	return func(c *reading, p *param) bool {
		if p.value == "" {
			return false
		}
		if c.format != place.XML && c.format != place.GeocodeJSON {
			p.value = canonicalField(p.value)
		}
		c.asked.fields = append(c.asked.fields, fieldValue{f, p.value})
		return true
	}
}

func limit(c *reading, p *param) bool {
	n, ok := parseInt(p.value)
	if !ok {
		c.mistake(turnLimit, notANumber(p.name))
		return true
	}
	n = min(max(n, 1), 50)
	c.asked.Limit = n
	p.value = strconv.Itoa(n)
	return n != defaultLimit
}

// zoom is clamped, except in xml: there the answer repeats it as it came.
func zoom(c *reading, p *param) bool {
	n, ok := parseInt(p.value)
	if !ok {
		c.mistake(turnZoom, notANumber(p.name))
		return true
	}
	n = min(max(n, 0), maxZoom)
	c.asked.Zoom = n
	if c.format == place.XML {
		c.asked.zoomText = p.value
		return true
	}
	p.value = strconv.Itoa(n)
	return n != maxZoom
}

// threshold means nothing without an outline, and is repeated like bounded.
func threshold(c *reading, p *param) bool {
	f, ok := parseDegrees(p.value)
	if !ok {
		c.mistake(turnThreshold, notANumber(p.name))
		return true
	}
	p.value = strconv.FormatFloat(f, 'g', -1, 64)
	return f > 0 && (c.isOutlined() || c.format == place.XML || c.isOn("debug"))
}

// isOutlined reports whether answers hold outlines. The GeoJSON formats ignore
// all but their own.
func (c *reading) isOutlined() bool {
	if c.isOn("polygon_geojson") {
		return true
	}
	if c.format == place.GeoJSON || c.format == place.GeocodeJSON {
		return false
	}
	return c.isOn("polygon_kml") || c.isOn("polygon_svg") || c.isOn("polygon_text")
}

// isOn reads a parameter that is false unless the client says otherwise.
func (c *reading) isOn(name string) bool {
	v, named := c.last(name)
	return named && v != "0"
}

func latitude(c *reading, p *param) bool {
	c.hasLat = true
	c.asked.Point.Lat = c.coordinate(turnLat, p, maxLat)
	return true
}

func longitude(c *reading, p *param) bool {
	c.hasLon = true
	c.asked.Point.Lon = c.coordinate(turnLon, p, maxLon)
	return true
}

// coordinate rounds to the seven decimals that stored data has, and returns
// the rounded degrees.
func (c *reading) coordinate(t turn, p *param, edge float64) float64 {
	degrees, ok := parseDegrees(p.value)
	if !ok {
		c.mistake(t, notANumber(p.name))
		return 0
	}
	p.value = formatDegrees(degrees, edge)
	return readBack(p.value)
}

// countryCodes: Nominatim ignores what is not two characters long, lowers the
// rest and reads it as a set. An empty set restricts nothing.
func countryCodes(c *reading, p *param) bool {
	var codes []string
	for code := range strings.SplitSeq(p.value, ",") {
		if utf8.RuneCountInString(code) == 2 {
			codes = append(codes, strings.ToLower(code))
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	c.asked.Countries = codes
	p.value = strings.Join(codes, ",")
	return p.value != ""
}

// viewbox: any two opposite corners, clamped to the globe. A box that
// Nominatim refuses is sent as it came, to be refused in its words.
func viewbox(c *reading, p *param) bool {
	if p.value == "" {
		return false
	}
	if strings.Count(p.value, ",") != 3 {
		c.mistake(turnViewbox, "Bounding box parameter needs 4 coordinates.")
		return true
	}
	var corners [4]float64
	n := 0
	for s := range strings.SplitSeq(p.value, ",") {
		f, ok := parseDegrees(s)
		if !ok {
			c.mistake(turnViewbox, "Bounding box parameter needs to be numbers.")
			return true
		}
		edge := maxLon
		if n%2 == 1 {
			edge = maxLat
		}
		corners[n] = min(max(f, -edge), edge)
		n++
	}
	west, east := min(corners[0], corners[2]), max(corners[0], corners[2])
	south, north := min(corners[1], corners[3]), max(corners[1], corners[3])
	if south == north || west == east {
		c.mistake(turnViewbox, "Bounding box with invalid parameters.")
		return true
	}
	box := place.Box{South: south, West: west, North: north, East: east}
	rounded := place.Box{
		South: roundDegrees(south, maxLat), West: roundDegrees(west, maxLon),
		North: roundDegrees(north, maxLat), East: roundDegrees(east, maxLon),
	}
	if rounded.South == rounded.North || rounded.West == rounded.East {
		c.asked.Viewbox = &box // too small to be rounded
		return true
	}
	c.asked.Viewbox = &rounded
	p.value = FormatBox(rounded)
	return true
}

// viewboxAlias: the older name counts when the newer one is absent or empty.
func viewboxAlias(c *reading, p *param) bool {
	if v, _ := c.last("viewbox"); v != "" {
		return false
	}
	p.name = "viewbox"
	return viewbox(c, p)
}

// excluded: an empty value counts as absent.
func excluded(c *reading, p *param) bool {
	if p.value == "" {
		return false
	}
	for id := range strings.SplitSeq(p.value, ",") {
		if id = trimSpace(id); id != "" {
			c.asked.Excluded = append(c.asked.Excluded, id)
		}
	}
	return true
}

func featureType(c *reading, p *param) bool {
	c.asked.FeatureType = p.value
	return true
}

var layerNames = []string{"address", "manmade", "natural", "poi", "railway"}

const badLayer = "Parameter 'layer' must be a comma-separated list of: address, poi, railway, natural, manmade"

// layers reads a set of layers. Nominatim 5.3 fails with status 500 on a name
// it does not know, the empty one included; that is not passed on.
func layers(c *reading, p *param) {
	var set []string
	for name := range strings.SplitSeq(p.value, ",") {
		name = strings.ToLower(name)
		if !slices.Contains(layerNames, name) {
			c.bad = badLayer
			return
		}
		set = append(set, name)
	}
	slices.Sort(set)
	c.asked.layers = slices.Compact(set)
	p.value = strings.Join(c.asked.layers, ",")
}

func reverseLayers(c *reading, p *param) bool {
	layers(c, p)
	if p.value == "address,poi" {
		c.asked.layers = nil
		return false
	}
	return true
}

// searchLayers: a featureType, whatever its value, takes the layer's place.
func searchLayers(c *reading, p *param) bool {
	if _, ok := c.last("featureType"); ok {
		return false
	}
	layers(c, p)
	return true
}

// maxObjects is how many OSM objects may be looked up at once.
const maxObjects = 50

// objects reads a list of OSM objects as Nominatim does: it skips what is none,
// and answers in the order of the list, with an object that is named twice twice.
// Two lists mean the same only if they name the same objects in the same order,
// in whatever spelling.
func objects(c *reading, p *param) bool {
	var ids []string
	for id := range strings.SplitSeq(p.value, ",") {
		id = trimSpace(id)
		if len(id) < 2 || !strings.ContainsRune("NWRnwr", rune(id[0])) {
			continue
		}
		digits := strings.TrimLeft(id[1:], "0123456789")
		if digits != "" {
			if isASCII(digits) {
				continue
			}
			return true // digits of another script may count
		}
		number := strings.TrimLeft(id[1:], "0")
		if number == "" {
			number = "0"
		}
		ids = append(ids, strings.ToUpper(id[:1])+number)
	}
	if len(ids) > maxObjects {
		c.mistake(turnObjects, "Too many object IDs.")
		return true
	}
	p.value, c.asked.Objects = strings.Join(ids, ","), ids
	return p.value != ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func placeID(c *reading, p *param) bool {
	id, ok := parseInt(p.value)
	if !ok {
		c.mistake(turnPlaceID, notANumber(p.name))
	}
	c.asked.PlaceID = int64(id)
	return true
}

// osmType refuses types of OSM objects that do not exist; Nominatim 5.3 fails
// with status 500 on them. A place_id takes precedence over the type.
func osmType(c *reading, p *param) bool {
	if id, ok := c.last("place_id"); ok && strings.Trim(id, "0") != "" {
		return true
	}
	if p.value != "N" && p.value != "W" && p.value != "R" {
		c.bad = "Parameter 'osmtype' must be one of: N, W, R"
	}
	return true
}

// callback returns the name that a JSON answer is wrapped in. It is ignored
// where the answer is not JSON.
func (c *reading) callback() string {
	name, ok := c.last("json_callback")
	if !ok || c.format == place.XML || c.format == place.Text {
		return ""
	}
	if d, ok := c.last("debug"); ok && d != "0" {
		return ""
	}
	for part := range strings.SplitSeq(name, ".") {
		if !isIdentifier(part) {
			c.bad = "Invalid json_callback value"
			return ""
		}
	}
	return name
}

// isIdentifier follows Python's notion, which Nominatim applies.
func isIdentifier(s string) bool {
	for i, r := range s {
		switch {
		case r == '_', unicode.IsLetter(r), unicode.Is(unicode.Nl, r):
		case i > 0 && (unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r) ||
			unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Pc, r)):
		default:
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

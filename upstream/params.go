package upstream

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"geogate/internal/place"
)

// rule makes one parameter canonical in place and reports whether it is sent
// at all. A rule leaves what it does not understand as it is.
type rule func(c *reading, p *param) (keep bool)

// endpoint says how the parameters of one endpoint are read. Defaults and
// meanings are those of Nominatim 5.3 (its v1 server glue).
type endpoint struct {
	format    place.Format   // when the client names none
	formats   []place.Format // that the endpoint knows
	localized bool           // takes languages, and debug
	params    map[string]rule
	check     func(c *reading)
}

var placeFormats = place.Formats()

var endpoints = map[Endpoint]*endpoint{
	Search: {
		format: place.JSONV2, formats: placeFormats, localized: true,
		params: with(output, map[string]rule{
			"addressdetails":    boolean(false),
			"q":                 freeText,
			"limit":             limit,
			"countrycodes":      countryCodes,
			"viewbox":           viewbox,
			"viewboxlbrt":       viewboxAlias,
			"bounded":           boolean(false),
			"dedupe":            boolean(true),
			"layer":             searchLayers,
			"exclude_place_ids": unlessEmpty,
			"amenity":           unlessEmpty,
			"street":            unlessEmpty,
			"city":              unlessEmpty,
			"county":            unlessEmpty,
			"state":             unlessEmpty,
			"postalcode":        unlessEmpty,
			"country":           unlessEmpty,
		}),
	},
	Reverse: {
		format: place.XML, formats: placeFormats, localized: true,
		params: with(output, map[string]rule{
			"addressdetails": boolean(true),
			"lat":            coordinate(90),
			"lon":            coordinate(180),
			"zoom":           zoom,
			"layer":          reverseLayers,
		}),
	},
	Lookup: {
		format: place.XML, formats: placeFormats, localized: true,
		params: with(output, map[string]rule{"addressdetails": boolean(true)}),
	},
	Details: {
		format: place.JSON, formats: []place.Format{place.JSON}, localized: true,
		params: map[string]rule{
			"addressdetails":  boolean(false),
			"entrances":       boolean(false),
			"linkedplaces":    boolean(true),
			"hierarchy":       boolean(false),
			"group_hierarchy": boolean(false),
			"keywords":        boolean(false),
			"polygon_geojson": boolean(false),
			"debug":           boolean(false),
		},
		check: checkOSMType,
	},
	Status:    {format: place.Text, formats: []place.Format{place.Text, place.JSON}},
	Deletable: {format: place.JSON, formats: []place.Format{place.JSON}},
	Polygons: {
		format: place.JSON, formats: []place.Format{place.JSON},
		params: map[string]rule{"reduced": boolean(false)},
	},
}

// output holds the parameters that search, reverse and lookup share.
var output = map[string]rule{
	"extratags":         boolean(false),
	"namedetails":       boolean(false),
	"entrances":         boolean(false),
	"polygon_geojson":   boolean(false),
	"polygon_kml":       boolean(false),
	"polygon_svg":       boolean(false),
	"polygon_text":      boolean(false),
	"polygon_threshold": threshold,
	"debug":             boolean(false),
}

func with(shared, own map[string]rule) map[string]rule {
	maps.Copy(own, shared)
	return own
}

// boolean: only "0" is false, and what equals the default is left out.
func boolean(byDefault bool) rule {
	return func(_ *reading, p *param) bool {
		value := p.value != "0"
		p.value = "0"
		if value {
			p.value = "1"
		}
		return value != byDefault
	}
}

// unlessEmpty: an empty value counts as absent.
func unlessEmpty(_ *reading, p *param) bool { return p.value != "" }

func limit(_ *reading, p *param) bool {
	n, ok := parseInt(p.value)
	if !ok {
		return true
	}
	n = min(max(n, 1), 50)
	p.value = strconv.Itoa(n)
	return n != 10
}

// zoom is clamped, except in xml: there the answer repeats it as it came.
func zoom(c *reading, p *param) bool {
	n, ok := parseInt(p.value)
	if !ok || c.format == place.XML {
		return true
	}
	n = min(max(n, 0), 18)
	p.value = strconv.Itoa(n)
	return n != 18
}

func threshold(_ *reading, p *param) bool {
	f, ok := parseFloat(p.value)
	if !ok {
		return true
	}
	p.value = strconv.FormatFloat(f, 'g', -1, 64)
	return f != 0
}

// coordinate rounds to the seven decimals that stored data has. A value that
// lies outside the globe must not be rounded onto its edge.
func coordinate(edge float64) rule {
	return func(_ *reading, p *param) bool {
		if f, ok := parseFloat(p.value); ok {
			p.value = formatCoordinate(f, edge)
		}
		return true
	}
}

func formatCoordinate(f, edge float64) string {
	if math.Abs(f) > edge {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	var buf [24]byte
	s := strconv.AppendFloat(buf[:0], f, 'f', 7, 64)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if string(s) == "-0" {
		return "0"
	}
	return string(s)
}

// countryCodes: Nominatim ignores what is not two characters long, lowers the
// rest and reads it as a set; an empty set is no restriction.
func countryCodes(_ *reading, p *param) bool {
	var codes []string
	for code := range strings.SplitSeq(p.value, ",") {
		if utf8.RuneCountInString(code) == 2 {
			codes = append(codes, strings.ToLower(code))
		}
	}
	slices.Sort(codes)
	p.value = strings.Join(slices.Compact(codes), ",")
	return p.value != ""
}

// viewbox: any two opposite corners, clamped to the globe. A box that
// Nominatim refuses is sent as it came, to be refused in its words.
func viewbox(_ *reading, p *param) bool {
	if p.value == "" {
		return false
	}
	var corners [4]float64
	n := 0
	for s := range strings.SplitSeq(p.value, ",") {
		f, ok := parseFloat(s)
		if !ok || n == len(corners) {
			return true
		}
		edge := 180.0
		if n%2 == 1 {
			edge = 90
		}
		corners[n] = min(max(f, -edge), edge)
		n++
	}
	if n != len(corners) {
		return true
	}
	x1, x2 := formatCoordinate(min(corners[0], corners[2]), 180), formatCoordinate(max(corners[0], corners[2]), 180)
	y1, y2 := formatCoordinate(min(corners[1], corners[3]), 90), formatCoordinate(max(corners[1], corners[3]), 90)
	if x1 == x2 || y1 == y2 {
		return true
	}
	p.value = x1 + "," + y1 + "," + x2 + "," + y2
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
	p.value = strings.Join(slices.Compact(set), ",")
}

func reverseLayers(c *reading, p *param) bool {
	layers(c, p)
	return p.value != "address,poi"
}

// searchLayers: a featureType, whatever its value, takes the layer's place.
func searchLayers(c *reading, p *param) bool {
	if _, ok := c.last("featureType"); ok {
		return false
	}
	layers(c, p)
	return true
}

// checkOSMType refuses types of OSM objects that do not exist; Nominatim 5.3
// fails with status 500 on them. A place_id takes precedence over the type.
func checkOSMType(c *reading) {
	if id, ok := c.last("place_id"); ok && strings.Trim(id, "0") != "" {
		return
	}
	if t, ok := c.last("osmtype"); ok && t != "N" && t != "W" && t != "R" {
		c.bad = "Parameter 'osmtype' must be one of: N, W, R"
	}
}

// callback returns the name that a JSON answer is wrapped in. It is ignored
// where the answer is no JSON.
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

// parseInt reads an integer as Python's int() does, as far as it fits into 15
// digits; ok is false for everything else.
func parseInt(s string) (n int, ok bool) {
	s = strings.TrimFunc(s, isPythonSpace)
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" || len(digits) > 15 {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// parseFloat reads a finite number as Python's float() does. strconv alone
// would also take hexadecimal floats, infinities and NaN.
func parseFloat(s string) (f float64, ok bool) {
	s = strings.TrimFunc(s, isPythonSpace)
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '.', c == '+', c == '-', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// isPythonSpace reports what str.strip() takes away.
func isPythonSpace(r rune) bool { return unicode.IsSpace(r) || '\x1c' <= r && r <= '\x1f' }

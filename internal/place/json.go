package place

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// writer builds a body. Nominatim writes its JSON by hand, without spaces except
// in the maps that it takes from its database, and some clients match on the
// text. So encoding/json does not write the structure.
type writer struct{ buf []byte }

func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// string appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func (w *writer) string(s string) {
	if plain(s) {
		w.buf = append(append(append(w.buf, '"'), s...), '"')
		return
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // Nominatim leaves <, > and & alone
	if err := e.Encode(s); err != nil {
		panic("place: a string that JSON cannot hold: " + err.Error()) // every string can be encoded
	}
	w.buf = append(w.buf, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// plain reports whether a JSON string holds s as it is. Nearly all are: an encoder
// for each string takes most of the time that an answer takes.
func plain(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == '"' || c == '\\' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return false
		}
		i += n
	}
	return true
}

// key starts a member of an object, with the comma that it needs.
func (w *writer) key(name string) {
	w.comma()
	w.string(name)
	w.raw(":")
}

// comma separates from the member or element before, if there is one.
func (w *writer) comma() {
	if n := len(w.buf); n > 0 && w.buf[n-1] != '{' && w.buf[n-1] != '[' {
		w.raw(",")
	}
}

func (w *writer) text(key, value string) {
	w.key(key)
	w.string(value)
}

func (w *writer) textIfKnown(key, value string) {
	if value != "" {
		w.text(key, value)
	}
}

func (w *writer) intIfKnown(key string, value int64) {
	if value != 0 {
		w.key(key)
		w.raw(strconv.FormatInt(value, 10))
	}
}

// tags appends a map the way Python prints one: with a space after colon and
// comma.
func (w *writer) tags(key string, tags []Tag) {
	w.key(key)
	if tags == nil {
		w.raw("null")
		return
	}
	w.raw("{")
	for i, t := range tags {
		if i > 0 {
			w.raw(", ")
		}
		w.string(t.Key)
		w.raw(": ")
		w.string(t.Value)
	}
	w.raw("}")
}

func (w *writer) list(places []Place, o Options, categoryKey string) {
	w.raw("[")
	for _, p := range places {
		w.comma()
		w.place(p, o, categoryKey)
	}
	w.raw("]")
}

// place appends one place in the json (categoryKey "class") or jsonv2
// ("category") shape.
func (w *writer) place(p Place, o Options, categoryKey string) {
	w.raw("{")
	w.intIfKnown("place_id", p.ID)
	w.textIfKnown("licence", o.Attribution.Text)
	w.osmID(p)
	w.text("lat", degrees(p.Point.Lat))
	w.text("lon", degrees(p.Point.Lon))
	w.textIfKnown(categoryKey, p.Category)
	w.textIfKnown("type", p.Type)
	w.intIfKnown("place_rank", int64(p.PlaceRank))
	w.importance(p.Importance)
	w.textIfKnown("addresstype", p.AddressType)
	w.text("name", p.Name)
	w.text("display_name", p.DisplayName)
	w.details(p, o)
	if p.Box != (Box{}) {
		w.key("boundingbox")
		w.raw("[")
		for _, v := range []float64{p.Box.South, p.Box.North, p.Box.West, p.Box.East} {
			w.comma()
			w.string(degrees(v))
		}
		w.raw("]")
	}
	w.textIfKnown("geotext", p.Geometry.WKT)
	w.textIfKnown("geokml", p.Geometry.KML)
	if p.Geometry.GeoJSON != "" {
		w.key("geojson")
		w.raw(p.Geometry.GeoJSON)
	}
	w.textIfKnown("svg", p.Geometry.SVG)
	w.raw("}")
}

// details appends the parts that json and geojson share and that the client
// has to ask for.
func (w *writer) details(p Place, o Options) {
	if o.AddressDetails {
		w.key("address")
		w.raw("{")
		for _, line := range distinct(p.Address) {
			w.text(line.Label, line.Name)
		}
		w.textIfKnown("country_code", p.CountryCode)
		w.raw("}")
	}
	if o.Entrances {
		w.key("entrances")
		w.raw("null")
	}
	if o.ExtraTags {
		w.tags("extratags", p.ExtraTags)
	}
	if o.NameDetails {
		w.tags("namedetails", p.NameDetails)
	}
}

func (w *writer) osmID(p Place) {
	if p.OSMID != 0 {
		w.textIfKnown("osm_type", p.OSMType)
		w.intIfKnown("osm_id", p.OSMID)
	}
}

func (w *writer) importance(v float64) {
	if v != 0 {
		w.key("importance")
		w.raw(float(v))
	}
}

// geometry appends a GeoJSON geometry: the outline, or else the point.
func (w *writer) geometry(key string, p Place) {
	w.key(key)
	if p.Geometry.GeoJSON != "" {
		w.raw(p.Geometry.GeoJSON)
		return
	}
	w.point(p)
}

func (w *writer) point(p Place) {
	w.raw(`{"type": "Point","coordinates": [` + float(p.Point.Lon) + `, ` + float(p.Point.Lat) + `]}`)
}

func (w *writer) geoJSON(places []Place, o Options) {
	w.raw(`{"type":"FeatureCollection"`)
	w.textIfKnown("licence", o.Attribution.Text)
	w.raw(`,"features":[`)
	for _, p := range places {
		w.comma()
		w.raw(`{"type":"Feature","properties":{`)
		w.intIfKnown("place_id", p.ID)
		w.osmID(p)
		w.intIfKnown("place_rank", int64(p.PlaceRank))
		w.textIfKnown("category", p.Category)
		w.textIfKnown("type", p.Type)
		w.importance(p.Importance)
		w.textIfKnown("addresstype", p.AddressType)
		w.text("name", p.Name)
		w.text("display_name", p.DisplayName)
		w.details(p, o)
		w.raw("}")
		if p.Box != (Box{}) {
			w.key("bbox")
			w.raw("[" + degrees(p.Box.West) + "," + degrees(p.Box.South) + "," +
				degrees(p.Box.East) + "," + degrees(p.Box.North) + "]")
		}
		w.geometry("geometry", p)
		w.raw("}")
	}
	w.raw("]}")
}

func (w *writer) geocodeJSON(places []Place, o Options) {
	w.raw(`{"type":"FeatureCollection","geocoding":{"version":"0.1.0"`)
	w.textIfKnown("attribution", o.Attribution.Text)
	w.textIfKnown("licence", o.Attribution.Licence)
	w.text("query", o.Query)
	w.raw(`},"features":[`)
	for _, p := range places {
		w.comma()
		w.raw(`{"type":"Feature","properties":{"geocoding":{`)
		w.intIfKnown("place_id", p.ID)
		w.osmID(p)
		w.textIfKnown("osm_key", p.Category)
		w.textIfKnown("osm_value", p.Type)
		w.text("type", geocodeJSONType(p.AddressRank))
		if p.Accuracy != nil {
			w.key("accuracy")
			w.raw(strconv.Itoa(*p.Accuracy))
		}
		w.text("label", p.DisplayName)
		w.textIfKnown("name", p.Name)
		if o.AddressDetails {
			w.geocodeJSONAddress(p)
		}
		if o.Entrances {
			w.key("entrances")
			w.raw("null")
		}
		if o.ExtraTags {
			w.tags("extra", p.ExtraTags)
		}
		w.raw("}}")
		w.geometry("geometry", p)
		w.raw("}")
	}
	w.raw("]}")
}

// geocodeJSONAddress appends post code and house number first, since they have
// names of their own, then the other parts under the word for their rank.
func (w *writer) geocodeJSONAddress(p Place) {
	var parts, levels []AddressLine
	for _, line := range p.Address {
		switch {
		case line.Label == "postcode":
			w.text("postcode", line.Name)
		case line.Label == "house_number":
			w.text("housenumber", line.Name)
		case !line.Self && line.Rank >= 4 && line.Rank < 28:
			parts = append(parts, AddressLine{Label: geocodeJSONType(line.Rank), Name: line.Name})
		}
		if line.AdminLevel != 0 {
			levels = append(levels, AddressLine{Label: "level" + strconv.Itoa(line.AdminLevel), Name: line.Name})
		}
	}
	for _, line := range distinct(parts) {
		w.text(line.Label, line.Name)
	}
	w.textIfKnown("country_code", p.CountryCode)
	w.key("admin")
	w.raw("{")
	for _, line := range distinct(levels) {
		w.text(line.Label, line.Name)
	}
	w.raw("}")
}

// geocodeJSONType is the word of the GeocodeJSON specification for a rank of
// Nominatim's address hierarchy.
func geocodeJSONType(rank int) string {
	switch {
	case rank < 4:
		return "locality"
	case rank == 4:
		return "country"
	case rank < 10:
		return "state"
	case rank < 13:
		return "county"
	case rank < 17:
		return "city"
	case rank < 22:
		return "district"
	case rank < 25:
		return "locality"
	case rank < 28:
		return "street"
	default:
		return "house"
	}
}

// distinct keeps the first line of each label: a key may stand only once in an
// object, and the first is the nearest to the place.
func distinct(lines []AddressLine) []AddressLine {
	var kept []AddressLine
	seen := make(map[string]bool, len(lines))
	for _, line := range lines {
		if line.Name != "" && !seen[line.Label] {
			seen[line.Label] = true
			kept = append(kept, line)
		}
	}
	return kept
}

// degrees prints a coordinate with the seven decimals of OpenStreetMap.
func degrees(v float64) string {
	if math.Abs(v) < 5e-8 {
		v = 0 // no "-0.0000000"
	}
	return strconv.FormatFloat(v, 'f', 7, 64)
}

// float prints a number as Python does: the shortest form that reads back
// equal, with an exponent below 1e-4 and from 1e16 up, and always with a point.
func float(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

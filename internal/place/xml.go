package place

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8" ?>` + "\n"

// xmlTime is the layout of the attribute timestamp: RFC 1123, except for the zone.
const xmlTime = "Mon, 02 Jan 2006 15:04:05 +00:00"

func (w *writer) xmlList(places []Place, o Options) {
	w.xmlRoot("searchresults", o)
	if len(places) == 0 {
		w.raw(" />")
		return
	}
	w.raw(">")
	for _, p := range places {
		w.raw("<place")
		w.xmlPlace(p)
		w.attr("display_name", p.DisplayName)
		w.attrIfKnown("class", p.Category)
		w.attrIfKnown("type", p.Type)
		if p.Importance != 0 {
			w.attr("importance", float(p.Importance))
		}
		start := len(w.buf)
		w.raw(">")
		if p.Geometry.KML != "" {
			w.element("geokml", func() { w.raw(p.Geometry.KML) })
		}
		if o.AddressDetails {
			w.xmlAddress(p)
		}
		w.xmlDetails(p, o)
		if len(w.buf) == start+1 {
			w.buf = append(w.buf[:start], " />"...)
			continue
		}
		w.raw("</place>")
	}
	w.raw("</searchresults>")
}

func (w *writer) xmlOne(p *Place, o Options) {
	w.xmlRoot("reversegeocode", o)
	w.raw(">")
	if p == nil {
		w.raw("<error>" + unableToGeocode + "</error></reversegeocode>")
		return
	}
	w.raw("<result")
	w.xmlPlace(*p)
	if p.DisplayName == "" {
		w.raw(" />")
	} else {
		w.raw(">")
		w.chars(p.DisplayName)
		w.raw("</result>")
	}
	if p.Geometry.KML != "" {
		w.element("geokml", func() { w.raw(p.Geometry.KML) })
	}
	if o.AddressDetails && len(p.Address) > 0 {
		w.element("addressparts", func() { w.xmlAddress(*p) })
	}
	w.xmlDetails(*p, o)
	w.raw("</reversegeocode>")
}

// xmlRoot opens the root element without closing its tag.
func (w *writer) xmlRoot(name string, o Options) {
	w.raw(xmlDeclaration + "<" + name)
	w.attr("timestamp", o.Time.UTC().Format(xmlTime))
	w.attrIfKnown("attribution", o.Attribution.Text)
	w.attr("querystring", o.Query)
	w.attrIfKnown("more_url", o.MoreURL)
	w.attrIfKnown("exclude_place_ids", o.ExcludePlaceIDs)
	w.attrIfKnown("viewbox", o.Viewbox)
}

// xmlPlace appends the attributes that a place of a list and the result of a
// reverse geocode share.
func (w *writer) xmlPlace(p Place) {
	if p.ID != 0 {
		w.attr("place_id", strconv.FormatInt(p.ID, 10))
	}
	if p.OSMID != 0 {
		w.attrIfKnown("osm_type", p.OSMType)
		w.attr("osm_id", strconv.FormatInt(p.OSMID, 10))
	}
	if p.Ref != "" {
		w.attr("ref", p.Ref)
	} else {
		w.attrIfKnown("ref", p.Name)
	}
	w.attr("lat", degrees(p.Point.Lat))
	w.attr("lon", degrees(p.Point.Lon))
	if p.Box != (Box{}) {
		w.attr("boundingbox", degrees(p.Box.South)+","+degrees(p.Box.North)+","+
			degrees(p.Box.West)+","+degrees(p.Box.East))
	}
	if p.PlaceRank != 0 {
		w.attr("place_rank", strconv.Itoa(p.PlaceRank))
	}
	if p.AddressRank != 0 {
		w.attr("address_rank", strconv.Itoa(p.AddressRank))
	}
	w.attrIfKnown("geotext", p.Geometry.WKT)
	w.attrIfKnown("geosvg", p.Geometry.SVG)
	w.attrIfKnown("geojson", p.Geometry.GeoJSON)
}

func (w *writer) xmlAddress(p Place) {
	for _, line := range distinct(p.Address) {
		w.element(xmlName(line.Label), func() { w.chars(line.Name) })
	}
	if p.CountryCode != "" && len(p.Address) > 0 {
		w.element("country_code", func() { w.chars(p.CountryCode) })
	}
}

func (w *writer) xmlDetails(p Place, o Options) {
	if o.ExtraTags {
		w.element("extratags", func() {
			for _, t := range p.ExtraTags {
				w.raw("<tag")
				w.attr("key", t.Key)
				w.attr("value", t.Value)
				w.raw(" />")
			}
		})
	}
	if o.NameDetails {
		w.element("namedetails", func() {
			for _, t := range p.NameDetails {
				w.raw("<name")
				w.attr("desc", t.Key)
				w.raw(">")
				w.chars(t.Value)
				w.raw("</name>")
			}
		})
	}
	if o.Entrances {
		w.raw("<entrances />")
	}
}

// element appends a child element, self-closing when it has no content.
func (w *writer) element(name string, content func()) {
	start := len(w.buf)
	w.raw("<" + name + ">")
	opened := len(w.buf)
	content()
	if len(w.buf) == opened {
		w.buf = append(w.buf[:start], ("<" + name + " />")...)
		return
	}
	w.raw("</" + name + ">")
}

// xmlName turns a label into the name of an element. A label may come from a
// geocoder that never meant it to be one.
func xmlName(label string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, label)
	if name == "" || name[0] == '-' || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

func (w *writer) attr(name, value string) {
	w.raw(" " + name + `="`)
	w.raw(attrEscapes.Replace(legalXML(value)))
	w.raw(`"`)
}

func (w *writer) attrIfKnown(name, value string) {
	if value != "" {
		w.attr(name, value)
	}
}

func (w *writer) chars(value string) { w.raw(charEscapes.Replace(legalXML(value))) }

var (
	charEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	// Line ends and tabs in an attribute would come back as blanks.
	attrEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;",
		"\r", "&#13;", "\n", "&#10;", "\t", "&#09;")
)

// legalXML replaces what an XML 1.0 document cannot hold, such as NUL, which
// Nominatim lets through and thereby breaks the document.
func legalXML(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return r
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			return utf8.RuneError
		default:
			return r // invalid bytes arrive here as U+FFFD
		}
	}, s)
}

package place

import (
	"strconv"
	"strings"
)

// RenderError renders an error as Nominatim does: JSON with code and message,
// its twin in XML (the white space is Nominatim's own), or a line of text when
// the format is not known. A reverse geocode that finds nothing is not an error
// but an answer: see [RenderOne].
func RenderError(f Format, code int, message string) (contentType string, body []byte) {
	var w writer
	status := strconv.Itoa(code)
	switch f {
	case XML:
		const indent = "                   "
		w.raw(xmlDeclaration + indent + "<error>\n" +
			indent + "  <code>" + status + "</code>\n" +
			indent + "  <message>")
		w.chars(message)
		w.raw("</message>\n" + indent + "</error>\n                ")
	case JSON, JSONV2, GeoJSON, GeocodeJSON:
		w.raw(`{"error":{"code":` + status + `,"message":`)
		w.string(message)
		w.raw("}}")
	default:
		w.raw("ERROR " + status + ": " + message)
	}
	return f.ContentType(), w.buf
}

// BadFormatMessage is what Nominatim says, as text with status 400, of a
// format= that it does not know.
func BadFormatMessage(known ...Format) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = string(f)
	}
	return "Parameter 'format' must be one of: " + strings.Join(names, ", ")
}

package place

import (
	"strconv"
	"strings"
	"time"
)

// nominatimTime is how /status prints a time: ISO 8601 in UTC with a numeric
// zone, without fractions of a second.
const nominatimTime = "2006-01-02T15:04:05+00:00"

// Status is the answer to /status.
type Status struct {
	Code        int    // 0: all is well
	Message     string // "OK" with code 0
	DataUpdated time.Time
	Software    string // version of what answers
	Database    string // version of the data's format
}

// RenderStatus renders a status as Text (also for an unknown format) or JSON.
func RenderStatus(f Format, s Status) (contentType string, body []byte) {
	var w writer
	if f != JSON {
		if s.Code != 0 {
			w.raw("ERROR: ")
		}
		w.raw(s.Message)
		return Text.ContentType(), w.buf
	}
	w.raw(`{"status":` + strconv.Itoa(s.Code))
	w.text("message", s.Message)
	if !s.DataUpdated.IsZero() {
		w.text("data_updated", s.DataUpdated.UTC().Format(nominatimTime))
	}
	w.textIfKnown("software_version", s.Software)
	w.textIfKnown("database_version", s.Database)
	w.raw("}")
	return JSON.ContentType(), w.buf
}

// RenderDetails renders a place as /details does, as far as a Place has what
// /details shows: some of Nominatim's database columns have no counterpart
// elsewhere. Options.AddressDetails adds the address.
func RenderDetails(p Place, o Options) (contentType string, body []byte) {
	var w writer
	w.raw("{")
	w.intIfKnown("place_id", p.ID)
	if p.OSMID != 0 && p.OSMType != "" {
		w.text("osm_type", osmLetter(p.OSMType))
		w.intIfKnown("osm_id", p.OSMID)
	}
	w.textIfKnown("category", p.Category)
	w.textIfKnown("type", p.Type)
	w.text("localname", p.Name)
	w.tags("names", orEmpty(p.NameDetails))
	w.raw(`,"addresstags":{}`)
	w.textIfKnown("country_code", p.CountryCode)
	w.importance(p.Importance)
	if p.Importance != 0 {
		w.key("calculated_importance")
		w.raw(float(p.Importance))
	}
	w.tags("extratags", orEmpty(p.ExtraTags))
	w.intIfKnown("rank_address", int64(p.AddressRank))
	w.intIfKnown("rank_search", int64(p.PlaceRank))
	w.raw(`,"isarea":` + strconv.FormatBool(strings.Contains(p.Geometry.GeoJSON, "Polygon")))
	w.key("centroid")
	w.point(p)
	w.geometry("geometry", p)
	// Not among Nominatim's keys: its /details carries no licence, but the
	// terms of other data want it beside every place that is shown.
	w.textIfKnown("licence", o.Attribution.Text)
	if o.AddressDetails {
		w.detailsAddress(p)
	}
	w.raw("}")
	return JSON.ContentType(), w.buf
}

func (w *writer) detailsAddress(p Place) {
	w.key("address")
	w.raw("[")
	for _, line := range p.Address {
		w.comma()
		w.raw("{")
		w.text("localname", line.Name)
		w.text("type", line.Label)
		w.intIfKnown("admin_level", int64(line.AdminLevel))
		w.intIfKnown("rank_address", int64(line.Rank))
		w.raw(`,"isaddress":true}`)
	}
	w.raw("]")
}

// osmLetter shortens "relation" to "R", which is how /details and /lookup name
// the types.
func osmLetter(osmType string) string {
	switch osmType {
	case "node":
		return "N"
	case "way":
		return "W"
	case "relation":
		return "R"
	default:
		return osmType
	}
}

func orEmpty(tags []Tag) []Tag {
	if tags == nil {
		return []Tag{}
	}
	return tags
}

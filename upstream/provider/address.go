package provider

import (
	"slices"
	"strings"

	"geogate/internal/place"
)

// level is one step of an address, from a house to a country, in Nominatim's
// words. Each dialect maps its own words onto these.
type level struct {
	label string
	rank  int // Nominatim's address rank
}

// levels are ordered as Nominatim writes an address.
var levels = []level{
	{"house_number", 30},
	{"road", 26},
	{"neighbourhood", 24},
	{"suburb", 20},
	{"borough", 18},
	{"hamlet", 16},
	{"village", 16},
	{"town", 16},
	{"city", 16},
	{"municipality", 14},
	{"county", 12},
	{"state_district", 10},
	{"region", 9},
	{"state", 8},
	{"postcode", 5},
	{"country", 4},
}

func rankOf(label string) int {
	i := slices.IndexFunc(levels, func(l level) bool { return l.label == label })
	if i < 0 {
		return 0
	}
	return levels[i].rank
}

// setAddress fills the address of p and, where they are still open, its ranks,
// name and display name. parts are by label; self is the label of the place
// itself, "" for one that is not part of addresses, such as a shop.
func setAddress(p *place.Place, parts map[string]string, self string) {
	for _, l := range levels {
		if name := parts[l.label]; name != "" {
			p.Address = append(p.Address, place.AddressLine{
				Label: l.label, Name: name, Rank: l.rank, Self: l.label == self,
			})
		}
	}
	p.AddressType = self
	if self == "house_number" {
		p.AddressType = "building"
	}
	p.AddressRank = rankOf(self)
	if self == "" {
		p.AddressRank = 30
	}
	p.PlaceRank = p.AddressRank
	if p.Name == "" && self != "house_number" {
		p.Name = parts[self]
	}
	if p.DisplayName == "" {
		p.DisplayName = displayName(p.Name, p.Address)
	}
}

// displayName joins a name and an address as Nominatim does.
func displayName(name string, address []place.AddressLine) string {
	var out []string
	if name != "" {
		out = append(out, name)
	}
	for _, line := range address {
		if !slices.Contains(out, line.Name) {
			out = append(out, line.Name)
		}
	}
	return strings.Join(out, ", ")
}

// labelAt is the finest part of an address that a reverse question shows at a
// zoom, as in Nominatim's table of ranks.
func labelAt(zoom int) string {
	switch {
	case zoom < 5:
		return "country"
	case zoom < 8:
		return "state"
	case zoom < 10:
		return "county"
	case zoom < 13:
		return "city"
	case zoom < 15:
		return "suburb"
	case zoom < 18:
		return "road"
	default:
		return ""
	}
}

// coarsen replaces a place by the one that it lies in at the given step of its
// address, or at the next larger step that is known. What belongs to the smaller
// place only, such as its box, goes.
func coarsen(p *place.Place, label string) {
	limit := rankOf(label)
	if label == "" || p.AddressRank <= limit {
		return
	}
	p.Address = slices.DeleteFunc(p.Address, func(line place.AddressLine) bool {
		// A post code is finer than its rank says.
		return line.Rank > limit || line.Label == "postcode" && limit < rankOf("city")
	})
	larger := place.Place{Point: p.Point, CountryCode: p.CountryCode, Category: "place", Address: p.Address}
	for i := range larger.Address {
		line := &larger.Address[i]
		if line.Label != "postcode" {
			line.Self = true
			larger.Name, larger.Type, larger.AddressType = line.Name, line.Label, line.Label
			larger.AddressRank, larger.PlaceRank = line.Rank, line.Rank
			break
		}
	}
	if larger.Type == "road" {
		larger.Category = "highway"
	}
	larger.DisplayName = displayName(larger.Name, larger.Address)
	*p = larger
}

package gazetteer

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
	"geogate/internal/place"
)

// Match is a place that answers a query.
type Match struct {
	ID         int64 // GeoNames id; 0 for countries, states and counties, whose ids the data lacks
	Name       string
	Kind       Kind
	Point      geo.Point
	Population int64  // of an area: of its places in the data; 0: unknown
	Feature    string // GeoNames' code of a populated place, such as PPLC; empty for areas
	Box        place.Box
	// Areas are what the match lies in, from the smallest to the country.
	Areas []Area
	// CountryCode is the ISO 3166-1 alpha-2 code in lower case.
	CountryCode string
	// Distance in metres from the point of a reverse geocode; 0 otherwise, and
	// 0 as well where the match is an area.
	Distance float64

	capital bool
}

// Area is something that a place lies in.
type Area struct {
	Name string
	Kind Kind
}

// Kind says what sort of place a match is, in OpenStreetMap's words.
type Kind string

// The kinds of matches.
const (
	Country Kind = "country"
	State   Kind = "state"
	County  Kind = "county"
	City    Kind = "city"
	Town    Kind = "town"
	Village Kind = "village"
	Suburb  Kind = "suburb"
	Island  Kind = "island"
	Region  Kind = "region"
	Quarter Kind = "quarter"
)

// How many people make a populated place a city or a town, as in
// OpenStreetMap's usage of place=*.
const (
	cityPeople = 100_000
	townPeople = 10_000
)

// PlaceRank is Nominatim's search rank of the kind.
func (k Kind) PlaceRank() int {
	switch k {
	case Country:
		return 4
	case State:
		return 8
	case Region:
		return 10
	case County:
		return 12
	case Island:
		return 17
	case Quarter:
		return 20
	case City:
		return 16
	case Town:
		return 18
	default:
		return 19
	}
}

// AddressRank is Nominatim's address rank of the kind.
func (k Kind) AddressRank() int {
	switch k {
	case Country, State, Region, County, Island:
		return k.PlaceRank()
	case Suburb, Quarter:
		return 20
	default:
		return 16
	}
}

// reach is half the side, in degrees, of the box around a place of which only
// the kind is known. The figures are Nominatim's.
func (k Kind) reach() float64 {
	switch k {
	case City:
		return 0.16
	case Town:
		return 0.04
	default:
		return 0.02
	}
}

var areaKinds = [...]Kind{
	packed.Country: Country, packed.State: State, packed.County: County,
	packed.Island: Island, packed.Region: Region, packed.Quarter: Quarter,
}

func placeKind(f packed.Feature, population int64) Kind {
	switch {
	case f == packed.PPLX:
		return Suburb
	case population >= cityPeople:
		return City
	case population >= townPeople || f == packed.PPLC || f == packed.PPLA:
		return Town // a seat of government is never a village, however small
	default:
		return Village
	}
}

// match decodes an area or a place.
func (g *Gazetteer) match(ref int) Match {
	var m Match
	if ref < g.file.Areas() {
		a := g.file.Area(ref)
		m = Match{
			Name: a.Name, Kind: areaKinds[a.Level], Point: a.Point, Population: a.Population,
			Box: place.Box(a.Box), CountryCode: a.Code,
		}
	} else {
		p := g.file.Place(ref - g.file.Areas())
		m = Match{
			ID: p.ID, Name: p.Name, Kind: placeKind(p.Feature, p.Population), Point: p.Point,
			Population: p.Population, Feature: p.Feature.String(), capital: p.Feature == packed.PPLC,
		}
		m.Box = boxAround(p.Point, m.Kind.reach())
	}
	g.ancestors(ref, func(area int) bool {
		a := g.file.Area(area)
		m.Areas = append(m.Areas, Area{Name: a.Name, Kind: areaKinds[a.Level]})
		m.CountryCode = a.Code
		return true
	})
	return m
}

func boxAround(p geo.Point, reach float64) place.Box {
	return place.Box{
		South: max(-90, p.Lat-reach), North: min(90, p.Lat+reach),
		West: max(-180, p.Lon-reach), East: min(180, p.Lon+reach),
	}
}

// Importance is between 0 and 1 and grows with the logarithm of the people.
func (m Match) Importance() float64 {
	v := math.Log10(float64(max(m.Population, 1)))/10 + 0.05
	switch {
	case m.Kind == Country:
		v += 0.1
	case m.capital:
		v += 0.05
	case m.Kind == State:
		v -= 0.1
	case m.Kind == County:
		v -= 0.15
	}
	return math.Round(min(1, max(0.01, v))*1e4) / 1e4
}

// Place puts m into the words of an answer. Countries carry their name in the
// reader's language. Towns and divisions have only one name, since the
// alternate names in the data do not say which language they are in.
func (m Match) Place(l Languages) place.Place {
	p := place.Place{
		ID: m.ID, Point: m.Point, Category: "place", Type: string(m.Kind),
		PlaceRank: m.Kind.PlaceRank(), AddressRank: m.Kind.AddressRank(), Importance: m.Importance(),
		AddressType: string(m.Kind), Name: m.Name, CountryCode: m.CountryCode, Box: m.Box,
		ExtraTags: []place.Tag{}, NameDetails: []place.Tag{{Key: "name", Value: m.Name}},
	}
	if m.Kind == Country {
		p.Name = l.country(m.CountryCode, m.Name)
	}
	p.Address = []place.AddressLine{{Label: string(m.Kind), Name: p.Name, Rank: p.AddressRank, Self: true}}
	for _, a := range m.Areas {
		name := a.Name
		if a.Kind == Country {
			name = l.country(m.CountryCode, name)
		}
		p.Address = append(p.Address, place.AddressLine{Label: string(a.Kind), Name: name, Rank: a.Kind.AddressRank()})
	}
	p.DisplayName = displayName(p.Address)
	if m.capital {
		p.ExtraTags = append(p.ExtraTags, place.Tag{Key: "capital", Value: "yes"})
	}
	if m.ID != 0 && m.Population > 0 {
		p.ExtraTags = append(p.ExtraTags, place.Tag{Key: "population", Value: strconv.FormatInt(m.Population, 10)})
	}
	return p
}

// displayName joins the lines of an address, saying a name only once where a
// town and its divisions share it.
func displayName(address []place.AddressLine) string {
	names := make([]string, len(address))
	for i, line := range address {
		names[i] = line.Name
	}
	return strings.Join(slices.Compact(names), ", ")
}

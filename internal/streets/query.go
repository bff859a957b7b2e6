package streets

import (
	"geogate/internal/geo"
	"geogate/internal/place"
)

// Query is a question for places. Text is free text; where it is empty the
// fields of an address count.
type Query struct {
	Text string

	Amenity, Street, City, County, State, Country, PostalCode string

	CountryCodes []string   // lower case; empty: all
	Viewbox      *place.Box // places inside come first
	Bounded      bool       // and no others at all
	Near         *geo.Point // nearer places come first
	Limit        int        // 0: 10
	// Layers limits the kinds of results; zero means all.
	Layers Layers
	// MinRank and MaxRank limit results to ranks of addresses; MaxRank 0: all.
	MinRank, MaxRank int
	Exclude          []int64 // ids of places, see Match.ID

	// Prefix takes the last word for the beginning of one.
	Prefix bool
}

// from is where the question is asked from, nil for anywhere.
func (q *Query) from() *geo.Point {
	if b := q.Viewbox; q.Near == nil && b != nil {
		return &geo.Point{Lat: (b.South + b.North) / 2, Lon: (b.West + b.East) / 2}
	}
	return q.Near
}

// Layers are kinds of results, to be combined.
type Layers uint8

// The layers, as Nominatim's parameter layer names them.
const (
	Addresses Layers = 1 << iota
	POIs
	Other // what is neither, such as peaks, stops and rivers
)

const defaultLimit = 10

// The roles that a word of a question can play.
type role uint8

const (
	asStreet  role = 1 << iota // part of a street's name
	asPOI                      // part of a point of interest's name
	asArea                     // part of a place's or post code's name
	asContext                  // names where the result lies
	asNumber                   // a house number
	asAny     = asStreet | asPOI | asArea | asContext | asNumber
)

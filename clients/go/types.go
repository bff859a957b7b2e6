package geogate

import "time"

// Point is a position in degrees.
type Point struct {
	Lat float64 `json:"lat"`
	Lng float64 `json:"lng"`
}

// Position is where a driver is. Vehicle and Tags stay as they were where they are nil.
type Position struct {
	ID string `json:"id"`
	Point
	TS       *time.Time `json:"ts,omitempty"`       // when it was taken; nil: now
	Heading  *float64   `json:"heading,omitempty"`  // degrees
	Speed    *float64   `json:"speed,omitempty"`    // metres a second
	Accuracy *float64   `json:"accuracy,omitempty"` // metres
	Vehicle  *string    `json:"vehicle,omitempty"`
	Tags     *[]string  `json:"tags,omitempty"`
	Region   string     `json:"region,omitempty"`
}

// Tracked is how many positions were stored, and why others were not.
type Tracked struct {
	Accepted int         `json:"accepted"`
	Rejected []Rejection `json:"rejected"`
}

// Rejection is why one position of several was not stored.
type Rejection struct {
	Index  int    `json:"index"`
	ID     string `json:"id"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Driver is a driver as dispatch knows them.
type Driver struct {
	ID string `json:"id"`
	Point
	State     string    `json:"state"` // offline, available, reserved or busy
	Vehicle   string    `json:"vehicle"`
	Tags      []string  `json:"tags"`
	Region    string    `json:"region"`
	SeenAt    time.Time `json:"seen_at"`
	RequestID string    `json:"request_id"` // the ride of a reserved or busy driver
	OnShift   bool      `json:"on_shift"`   // false: offline as soon as they have no ride
}

// RideRequest is what a rider asks for: Point or Q, an address, is where.
type RideRequest struct {
	*Point
	Q        string            `json:"q,omitempty"`
	RiderID  string            `json:"rider_id,omitempty"`
	Vehicle  string            `json:"vehicle,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Region   string            `json:"region,omitempty"`
	Dropoff  *Where            `json:"dropoff,omitempty"`
	Note     string            `json:"note,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	PickupAt *time.Time        `json:"pickup_at,omitempty"` // nil: now
}

// Where is a position, or an address in Q.
type Where struct {
	*Point
	Q string `json:"q,omitempty"`
}

// Ride is a ride at one of its versions.
type Ride struct {
	RequestID string            `json:"request_id"`
	State     string            `json:"state"`
	Version   int64             `json:"version"` // grows with every change
	Reason    string            `json:"reason"`
	Pickup    Stop              `json:"pickup"`
	Dropoff   *Stop             `json:"dropoff"`
	Note      string            `json:"note"`
	Metadata  map[string]string `json:"metadata"`
	PickupAt  *time.Time        `json:"pickup_at"`
	RiderID   string            `json:"rider_id"`
	Vehicle   string            `json:"vehicle"`
	Tags      []string          `json:"tags"`
	Region    string            `json:"region"`
	Driver    *Assigned         `json:"driver"` // nil without one, and when the ride was cancelled or has expired
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// Ended reports whether nothing will happen to the ride any more.
func (r Ride) Ended() bool { return ended(r.State) }

func ended(state string) bool {
	return state == "completed" || state == "cancelled" || state == "expired"
}

// Stop is where a ride begins or ends.
type Stop struct {
	Point
	Place *FoundPlace `json:"place"` // where an address was given
}

// FoundPlace is the place of an address. Show its licence beside it.
type FoundPlace struct {
	DisplayName string `json:"display_name"`
	Point
	Licence string `json:"licence"`
}

// Assigned is the driver of a ride as they were when they got it.
type Assigned struct {
	ID string `json:"id"`
	Point
	DistanceM float64 `json:"distance_m"` // metres
}

// Candidate is a driver who is available, and how far away.
type Candidate struct {
	ID string `json:"id"`
	Point
	DistanceM float64   `json:"distance_m"` // metres
	SeenAt    time.Time `json:"seen_at"`
	ETA       *ETA      `json:"eta"` // where drivers are ranked by it
}

// ETA is how long and how far a way is by road.
type ETA struct {
	Seconds float64 `json:"seconds"`
	Metres  float64 `json:"metres"`
	Source  string  `json:"source"` // the routing engine, or estimate
	Cache   bool    `json:"cache"`
}

// Offer is a ride that a driver may accept until it expires.
type Offer struct {
	OfferID   string    `json:"offer_id"`
	RequestID string    `json:"request_id"`
	Pickup    Point     `json:"pickup"`
	DistanceM float64   `json:"distance_m"` // metres
	ExpiresAt time.Time `json:"expires_at"`
}

// Places is what a geocoder found.
type Places struct {
	Cache  bool    `json:"cache"`
	Stale  bool    `json:"stale"`
	Source string  `json:"source"`
	Data   []Place `json:"data"`
	Hint   string  `json:"hint"`
}

// Place is a place as geocoders write it: lat and lon are texts. Show its licence
// beside it.
type Place struct {
	PlaceID     int64             `json:"place_id"`
	Licence     string            `json:"licence"`
	OSMType     string            `json:"osm_type"`
	OSMID       int64             `json:"osm_id"`
	Lat         string            `json:"lat"`
	Lon         string            `json:"lon"`
	Class       string            `json:"class"`
	Category    string            `json:"category"`
	Type        string            `json:"type"`
	PlaceRank   int               `json:"place_rank"`
	Importance  float64           `json:"importance"`
	AddressType string            `json:"addresstype"`
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name"`
	Address     map[string]string `json:"address"`
	ExtraTags   map[string]string `json:"extratags"`
	NameDetails map[string]string `json:"namedetails"`
	GeoJSON     map[string]any    `json:"geojson"`
	BoundingBox []string          `json:"boundingbox"` // south, north, west, east
}

// Problem is what geogate says when it refuses a request (RFC 9457).
type Problem struct {
	Type     string      `json:"type"`
	Title    string      `json:"title"`
	Status   int         `json:"status"`
	Detail   string      `json:"detail"`
	Instance string      `json:"instance"`
	Code     string      `json:"code"` // for programs
	Hint     string      `json:"hint"`
	State    string      `json:"state"` // of the ride or job, on 409
	Rejected []Rejection `json:"rejected"`
}

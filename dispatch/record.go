package dispatch

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"geogate/internal/geo"
)

// record is a hash of Redis on its way to a Ride or Driver. The first field that
// cannot be read is remembered, so that decoding checks once at its end.
type record struct {
	id     string
	fields map[string]string
	err    error
}

func newRecord(id string, flat []string) *record {
	r := &record{id: id, fields: make(map[string]string, len(flat)/2)}
	for i := 0; i+1 < len(flat); i += 2 {
		r.fields[flat[i]] = flat[i+1]
	}
	return r
}

// gone reports whether nothing is left, or only the trace of a driver who moved to another
// region.
func (r *record) gone() bool { return len(r.fields) == 0 || r.fields["state"] == "gone" }

func (r *record) fail(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: stored field %q cannot be read", ErrUnavailable, name)
	}
}

func (r *record) float(name, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.fail(name)
	}
	return f
}

func (r *record) integerOf(name, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail(name)
	}
	return n
}

func (r *record) integer(name string) int64 { return r.integerOf(name, r.fields[name]) }

func (r *record) timeOf(name, text string) time.Time {
	return time.UnixMilli(r.integerOf(name, text)).UTC()
}

func (r *record) time(name string) time.Time { return r.timeOf(name, r.fields[name]) }

func (r *record) point() geo.Point {
	return geo.Point{Lat: r.float("lat", r.fields["lat"]), Lon: r.float("lng", r.fields["lng"])}
}

// ride decodes the present version of a ride.
func (r *record) ride() (Ride, error) { return r.rideAt(r.integer("version")) }

// rideAt decodes a version of a ride: what never changes from the fields, the rest
// from that version's line of history.
func (r *record) rideAt(version int64) (Ride, error) {
	region, _ := regionOfRide(r.id)
	ride := Ride{
		ID: r.id, Region: region, Version: version,
		Pickup:    r.point(),
		RiderID:   r.fields["rider"],
		Vehicle:   r.fields["vehicle"],
		Tags:      decodeTags(r.fields["tags"]),
		Details:   r.details(),
		CreatedAt: r.time("created"),
		Trace:     r.fields["trace"],
	}
	text := r.fields["h"+strconv.FormatInt(version, 10)]
	ride.Revision = revision(version, text)
	line, err := readHistory(text)
	if err != nil {
		r.fail("history")
		return Ride{}, r.err
	}
	ride.State, ride.Reason = line.State, line.Reason
	ride.UpdatedAt = r.timeOf("history", line.At)
	ride.ExpiresAt = r.timeOf("deadline", cmp.Or(line.Deadline, r.fields["deadline"]))
	if line.Driver != "" {
		ride.Driver = &Assignment{
			DriverID:  line.Driver,
			Point:     geo.Point{Lat: r.float("history", line.Lat), Lon: r.float("history", line.Lng)},
			DistanceM: r.float("history", line.Distance),
		}
	}
	return ride, r.err
}

// history is what a version of a ride looked like, as turn in rides.lua writes it.
type history struct {
	State    State  `json:"state"`
	At       string `json:"at"`
	Reason   string `json:"reason"`
	Driver   string `json:"driver"`
	Distance string `json:"distance"`
	Lat      string `json:"lat"`
	Lng      string `json:"lng"`
	Deadline string `json:"deadline"` // empty: that of the ride
}

// readHistory also reads lines of schema version 2, which had seven parts. The driver's
// id came last because it may contain the separator.
func readHistory(text string) (h history, err error) {
	if strings.HasPrefix(text, "{") {
		err = json.Unmarshal([]byte(text), &h)
		return h, err
	}
	part := strings.SplitN(text, "|", 7)
	if len(part) != 7 {
		return h, errNoHistory
	}
	return history{
		State: State(part[0]), At: part[1], Reason: part[2],
		Distance: part[3], Lat: part[4], Lng: part[5], Driver: part[6],
	}, nil
}

var errNoHistory = errors.New("line of history is malformed")

// values are those of a position in track_short.lua.
func (r *report) values() [10]string {
	v := [10]string{0: r.ID, 1: formatFloat(r.Point.Lat), 2: formatFloat(r.Point.Lon), 3: r.ts(), 4: r.text()}
	if r.region != r.from {
		v[5] = "away"
	}
	if r.home != nil {
		v[5] = strconv.FormatInt(r.home.Turn, 10)
		v[6], v[7], v[8], v[9] = "?"+r.home.Vehicle, "?"+r.home.Tags, r.home.Off, r.home.First
	}
	if r.Vehicle != nil {
		v[6] = "=" + *r.Vehicle
	}
	if r.Tags != nil {
		v[7] = "=" + encodeTags(*r.Tags)
	}
	return v
}

// text is a motion as scripts hold it, empty without one.
func (m Motion) text() string {
	if m == (Motion{}) {
		return ""
	}
	part := make([]string, 3)
	for i, f := range []*float64{m.Heading, m.Speed, m.Accuracy} {
		if f != nil {
			part[i] = formatFloat(*f)
		}
	}
	return strings.Join(part, ",")
}

// motion reads what text has written.
func (r *record) motion(text string) (m Motion) {
	for i, part := range strings.SplitN(text, ",", 3) {
		if part != "" {
			f := r.float("motion", part)
			*[]**float64{&m.Heading, &m.Speed, &m.Accuracy}[i] = &f
		}
	}
	return m
}

func (p Position) ts() string {
	if p.Time.IsZero() {
		return ""
	}
	return strconv.FormatInt(p.Time.UnixMilli(), 10)
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

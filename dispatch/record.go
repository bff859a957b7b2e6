package dispatch

import (
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

func (r *record) integer(name string) int64 {
	n, err := strconv.ParseInt(r.fields[name], 10, 64)
	if err != nil {
		r.fail(name)
	}
	return n
}

func (r *record) time(name string) time.Time { return time.UnixMilli(r.integer(name)).UTC() }

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
		CreatedAt: r.time("created"),
		ExpiresAt: r.time("deadline"),
	}
	history := r.fields["h"+strconv.FormatInt(version, 10)]
	ride.Revision = revision(version, history)
	line := strings.SplitN(history, "|", 7)
	if len(line) != 7 {
		r.fail("history")
		return Ride{}, r.err
	}
	ride.State, ride.Reason = State(line[0]), line[2]
	at, err := strconv.ParseInt(line[1], 10, 64)
	if err != nil {
		r.fail("history")
	}
	ride.UpdatedAt = time.UnixMilli(at).UTC()
	if line[6] != "" {
		ride.Driver = &Assignment{
			DriverID:  line[6],
			Point:     geo.Point{Lat: r.float("history", line[4]), Lon: r.float("history", line[5])},
			DistanceM: r.float("history", line[3]),
		}
	}
	return ride, r.err
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

package rides

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

const (
	// maxPositions is how many positions one request may carry.
	maxPositions = 10_000
	// maxArrayBody is the size in bytes of an array of them.
	maxArrayBody = 2 << 20
)

// noRoomFor is when a driver whom there is no room for should try again.
const noRoomFor = 30 * time.Second

// position is what a driver's app reports.
type position struct {
	ID exchange.ID `json:"id"`
	exchange.Coordinates
	TS timestamp `json:"ts"`
	motion
	Vehicle *string   `json:"vehicle"` // absent: as before
	Tags    *[]string `json:"tags"`    // absent: as before
	Region  string    `json:"region"`
}

// rejection tells why one position of an array was not stored.
type rejection struct {
	Index  int    `json:"index"`
	ID     string `json:"id"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

type trackAnswer struct {
	Accepted int         `json:"accepted"`
	Rejected []rejection `json:"rejected,omitempty"`
}

// Track stores one position or an array of them in one round trip.
func (a *API) Track(w http.ResponseWriter, r *http.Request) error {
	var array exchange.Array
	size := 0
	body, done, err := a.bodies.Read(w, r, maxArrayBody, func(part []byte) error {
		array.Look(part)
		size += len(part)
		switch {
		case array.Elements() > maxPositions:
			return errTooManyPositions
		case !array.Is() && size > exchange.MaxBody:
			return exchange.BodyTooLarge(exchange.MaxBody)
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer done()
	if !array.Is() {
		return a.trackOne(w, r, body)
	}
	answer, err := a.trackAll(r, body, array.Elements())
	if err != nil {
		return err
	}
	if answer.Accepted == 0 && len(answer.Rejected) == 0 {
		return exchange.BadRequest("empty_array", "the array has no positions")
	}
	if answer.Accepted == 0 {
		p := exchange.BadRequest("nothing_stored", "none of the positions was stored")
		p.Rejected = answer.Rejected
		return p
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

func (a *API) trackOne(w http.ResponseWriter, r *http.Request, body []byte) error {
	var p position
	if err := exchange.Unmarshal(body, &p); err != nil {
		return err
	}
	report, err := p.report(r)
	if err != nil {
		return err
	}
	res, err := a.engine.Track(r.Context(), []dispatch.Position{report})
	if err != nil {
		return fmt.Errorf("track: %w", err)
	}
	if len(res.Rejected) > 0 {
		return refusedPosition(res.Rejected[0])
	}
	return exchange.Respond(w, http.StatusOK, trackAnswer{Accepted: 1})
}

// trackAll stores what can be stored of n positions and says why the rest cannot.
// They are decoded one by one.
func (a *API) trackAll(r *http.Request, body []byte, n int) (trackAnswer, error) {
	var answer trackAnswer
	reports := make([]dispatch.Position, 0, n)
	indexes := make([]int, 0, n)
	i := -1
	for item, whole := range exchange.Elements(body) {
		if i++; !whole {
			return trackAnswer{}, errNoArray
		}
		var p position
		err := exchange.Unmarshal(item, &p)
		var report dispatch.Position
		if err == nil {
			report, err = p.report(r)
		}
		if err != nil {
			no := a.rejectionOf(i, string(p.ID), err)
			if no.Code == errNoArray.Code {
				return trackAnswer{}, errNoArray
			}
			if no.ID == "" {
				no.ID = idOf(item, no.Code)
			}
			answer.Rejected = append(answer.Rejected, no)
			continue
		}
		reports, indexes = append(reports, report), append(indexes, i)
	}
	if len(reports) == 0 {
		return answer, nil
	}
	res, err := a.engine.Track(r.Context(), reports)
	if err != nil {
		return trackAnswer{}, fmt.Errorf("track: %w", err)
	}
	answer.Accepted = res.Accepted
	for _, no := range res.Rejected {
		answer.Rejected = append(answer.Rejected, rejection{indexes[no.Index], no.ID, no.Code, no.Detail})
	}
	return answer, nil
}

// idOf is the id of a position whose fields were refused before it was decoded.
func idOf(item []byte, code string) string {
	var named struct {
		ID exchange.ID `json:"id"`
	}
	if code == "unknown_field" || code == "duplicate_field" {
		_ = json.Unmarshal(item, &named) // without an id it is known by its index
	}
	return string(named.ID)
}

var errTooManyPositions = exchange.NewProblem(http.StatusRequestEntityTooLarge, "too_many_positions",
	fmt.Sprintf("an array may have at most %d positions", maxPositions))

var errNoArray = exchange.BadRequest("invalid_json", "the body is not JSON: its array is malformed, or ends early")

func (p *position) report(r *http.Request) (dispatch.Position, error) {
	if !own(r, &p.ID) {
		return dispatch.Position{}, errNotYours
	}
	if p.ID == "" {
		return dispatch.Position{}, exchange.BadRequest("missing_id", "id is required: the driver's id, a string or a whole number")
	}
	point, err := p.Point(true)
	if err != nil {
		return dispatch.Position{}, err
	}
	return dispatch.Position{
		ID: string(p.ID), Point: point, Time: time.Time(p.TS),
		Motion: dispatch.Motion(p.motion), Vehicle: p.Vehicle, Tags: p.Tags, Region: p.Region,
	}, nil
}

func (a *API) rejectionOf(index int, id string, err error) rejection {
	p := a.Problem(err)
	return rejection{Index: index, ID: id, Code: p.Code, Detail: p.Detail}
}

// refusedPosition answers a single position that dispatch did not take.
func refusedPosition(no dispatch.Rejection) error {
	status := http.StatusBadRequest
	switch no.Code {
	case dispatch.CodeOlder:
		status = http.StatusConflict
	case dispatch.CodeOutside:
		status = http.StatusUnprocessableEntity
	case dispatch.CodeDriverCap, dispatch.CodeBacklog:
		status = http.StatusServiceUnavailable
	}
	p := exchange.NewProblem(status, no.Code, no.Detail)
	if status == http.StatusServiceUnavailable {
		p.RetryAfter = noRoomFor
	}
	return p
}

// timestamp is a point in time as RFC 3339 or as Unix milliseconds; zero when not
// given.
type timestamp time.Time

func (t *timestamp) UnmarshalJSON(data []byte) error {
	return readTime((*time.Time)(t), data, exchange.BadRequest("invalid_ts", "ts must be RFC 3339 or Unix milliseconds"))
}

// pickupTime is when a rider wants to be picked up, in the forms of a timestamp.
type pickupTime time.Time

func (t *pickupTime) UnmarshalJSON(data []byte) error {
	return readTime((*time.Time)(t), data, exchange.BadRequest("invalid_pickup_at", "pickup_at must be RFC 3339 or Unix milliseconds"))
}

// MarshalJSON writes Unix milliseconds, for the fingerprint of a request.
func (t pickupTime) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Time(t).UnixMilli(), 10), nil
}

// readTime leaves t alone for null.
func readTime(t *time.Time, data []byte, wrong *exchange.Problem) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if ms, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		if ms <= 0 || ms > maxUnixMilli {
			return wrong.WithHint("milliseconds, not seconds or microseconds")
		}
		*t = time.UnixMilli(ms)
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return wrong
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.UnixMilli() <= 0 || at.UnixMilli() > maxUnixMilli {
		return errors.Join(wrong, err)
	}
	*t = at
	return nil
}

// maxUnixMilli is the last millisecond of the year 9999, the last that RFC 3339
// can write.
const maxUnixMilli = 253402300799999

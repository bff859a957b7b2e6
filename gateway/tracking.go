package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"geogate/dispatch"
)

// maxPositions is how many positions one request may carry.
const maxPositions = 10_000

// position is what a driver's app reports.
type position struct {
	ID ident `json:"id"`
	coordinates
	TS      timestamp `json:"ts"`
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

// track stores one position or an array of them in one round trip.
func (g *Gateway) track(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxArrayBody)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		return g.trackOne(w, r, body)
	}
	var raw []json.RawMessage
	if err := unmarshal(body, &raw); err != nil {
		return err
	}
	switch {
	case len(raw) == 0:
		return badRequest("empty_array", "there is no position in the array")
	case len(raw) > maxPositions:
		return newProblem(http.StatusRequestEntityTooLarge, "too_many_positions",
			fmt.Sprintf("an array may hold %d positions", maxPositions))
	}
	answer, err := g.trackAll(r, raw)
	if err != nil {
		return err
	}
	if answer.Accepted == 0 {
		p := badRequest("nothing_stored", "none of the positions was stored")
		p.Rejected = answer.Rejected
		return p
	}
	return g.respond(w, http.StatusOK, answer)
}

func (g *Gateway) trackOne(w http.ResponseWriter, r *http.Request, body []byte) error {
	if len(body) > maxBody {
		return bodyTooLarge(maxBody)
	}
	var p position
	if err := unmarshal(body, &p); err != nil {
		return err
	}
	report, err := p.report()
	if err != nil {
		return err
	}
	res, err := g.engine.Track(r.Context(), []dispatch.Position{report})
	if err != nil {
		return fmt.Errorf("track: %w", err)
	}
	if len(res.Rejected) > 0 {
		return refusedPosition(res.Rejected[0])
	}
	return g.respond(w, http.StatusOK, trackAnswer{Accepted: 1})
}

// trackAll stores what can be stored and says of the rest why not.
func (g *Gateway) trackAll(r *http.Request, raw []json.RawMessage) (trackAnswer, error) {
	var answer trackAnswer
	reports := make([]dispatch.Position, 0, len(raw))
	indexes := make([]int, 0, len(raw))
	for i, item := range raw {
		var p position
		err := unmarshal(item, &p)
		var report dispatch.Position
		if err == nil {
			report, err = p.report()
		}
		if err != nil {
			answer.Rejected = append(answer.Rejected, rejectionOf(i, string(p.ID), err))
			continue
		}
		reports, indexes = append(reports, report), append(indexes, i)
	}
	if len(reports) == 0 {
		return answer, nil
	}
	res, err := g.engine.Track(r.Context(), reports)
	if err != nil {
		return trackAnswer{}, fmt.Errorf("track: %w", err)
	}
	answer.Accepted = res.Accepted
	for _, no := range res.Rejected {
		answer.Rejected = append(answer.Rejected, rejection{indexes[no.Index], no.ID, no.Code, no.Detail})
	}
	return answer, nil
}

func (p *position) report() (dispatch.Position, error) {
	if p.ID == "" {
		return dispatch.Position{}, badRequest("missing_id", "id is needed: the driver's id, a string or a whole number")
	}
	point, err := p.point(true)
	if err != nil {
		return dispatch.Position{}, err
	}
	return dispatch.Position{
		ID: string(p.ID), Point: point, Time: time.Time(p.TS),
		Vehicle: p.Vehicle, Tags: p.Tags, Region: p.Region,
	}, nil
}

func rejectionOf(index int, id string, err error) rejection {
	p := problemOf(err)
	return rejection{Index: index, ID: id, Code: p.Code, Detail: p.Detail}
}

// refusedPosition answers a single position that the engine did not take.
func refusedPosition(no dispatch.Rejection) error {
	status := http.StatusBadRequest
	if no.Code == dispatch.CodeOlder {
		status = http.StatusConflict
	}
	return newProblem(status, no.Code, no.Detail)
}

// timestamp is a point in time as RFC 3339 or as Unix milliseconds; zero when
// it was not given.
type timestamp time.Time

func (t *timestamp) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	wrong := badRequest("invalid_ts", "ts must be RFC 3339 or Unix milliseconds")
	if ms, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		if ms <= 0 || ms > maxUnixMilli {
			return wrong.withHint("milliseconds, not seconds or microseconds")
		}
		*t = timestamp(time.UnixMilli(ms))
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
	*t = timestamp(at)
	return nil
}

// maxUnixMilli is the last millisecond of the year 9999, the last that RFC 3339
// can write.
const maxUnixMilli = 253402300799999

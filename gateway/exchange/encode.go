package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Respond answers with v as JSON.
func Respond(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	Write(w, status, JSON, append(body, '\n'))
	return nil
}

// Time is a point in time on the wire: RFC 3339 in UTC with milliseconds, always
// the same length.
type Time time.Time

// OptionalTime is null for the zero time.
func OptionalTime(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return (*Time)(&t)
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// UnmarshalJSON reads RFC 3339.
func (t *Time) UnmarshalJSON(data []byte) error {
	var at time.Time
	if err := at.UnmarshalJSON(data); err != nil {
		return BadRequest("invalid_time", "times must be RFC 3339")
	}
	*t = Time(at)
	return nil
}

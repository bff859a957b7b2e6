package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// respond answers v as JSON.
func (g *Gateway) respond(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	write(w, status, "application/json", append(body, '\n'))
	return nil
}

// wireTime is RFC 3339 in UTC with milliseconds, always the same length.
type wireTime time.Time

func (t wireTime) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// UnmarshalJSON reads RFC 3339.
func (t *wireTime) UnmarshalJSON(data []byte) error {
	var at time.Time
	if err := at.UnmarshalJSON(data); err != nil {
		return badRequest("invalid_time", "times must be RFC 3339")
	}
	*t = wireTime(at)
	return nil
}

// seconds shows a duration to people, without its fractions.
func seconds(d time.Duration) string { return d.Round(time.Second).String() }

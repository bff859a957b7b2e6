package webhook

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"geogate/internal/pause"
)

// Schedule is the pauses after failed attempts. A delivery has one attempt more than
// the schedule has pauses.
type Schedule []time.Duration

// DefaultRetries is the schedule of WEBHOOK_RETRIES unless it says otherwise.
var DefaultRetries = Schedule{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 24 * time.Hour,
}

// maxPause bounds a pause, configured or asked for by Retry-After.
const maxPause = 7 * 24 * time.Hour

// jitter is the share by which a pause may be longer, so that what failed together
// does not come back together.
const jitter = 0.2

// ParseSchedule reads a comma-separated list of durations such as "1s,2s,5m".
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for part := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("parse schedule: %w", err)
		}
		if d <= 0 || d > maxPause {
			return nil, errors.New("parse schedule: a pause is above 0 and at most 7 days")
		}
		s = append(s, d)
	}
	return s, nil
}

// String writes the schedule as ParseSchedule reads it.
func (s Schedule) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return strings.Join(parts, ",")
}

// pause returns how long to wait after so many failed attempts, at least 1; false
// means that the schedule has ended.
func (s Schedule) pause(failures int) (time.Duration, bool) {
	if failures > len(s) {
		return 0, false
	}
	return pause.Beyond(s[failures-1], jitter), true
}

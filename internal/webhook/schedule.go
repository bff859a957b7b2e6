package webhook

import (
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

// jitter is the share by which a pause may be longer, so that what failed together
// does not come back together.
const jitter = 0.2

// String writes the schedule as WEBHOOK_RETRIES has it.
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

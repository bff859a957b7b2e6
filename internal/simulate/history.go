package simulate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The operations of a Record.
const (
	OpAsk      = "ask"      // POST /v2/search
	OpSee      = "see"      // the ride as a poll or an event stream told it
	OpCancel   = "cancel"   // POST /v2/cancel
	OpComplete = "complete" // POST /v2/complete
	OpAccept   = "accept"   // POST /v2/offers/{id}/accept
	OpDecline  = "decline"  // POST /v2/offers/{id}/decline
	OpEnd      = "end"      // the simulation ended as planned; nothing comes after it
)

// Record is one call and its answer as the client saw them. Times are
// microseconds since the simulation began, of the client's own clock.
type Record struct {
	Op      string `json:"op"`
	Sent    int64  `json:"sent"`
	Done    int64  `json:"done"`
	Status  int    `json:"status,omitempty"` // 0: no answer
	Key     string `json:"key,omitempty"`    // Idempotency-Key of an ask
	Ride    string `json:"ride,omitempty"`
	State   string `json:"state,omitempty"`   // of the ride, as the answer tells it
	Version int64  `json:"version,omitempty"` // 0: the answer does not tell
	Driver  string `json:"driver,omitempty"`
}

// writeRecord writes r as a line of JSON.
func writeRecord(w io.Writer, r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// CheckHistory reads a history, a Record in JSON on each line, and returns what
// is wrong with it. Errors are about reading it.
func CheckHistory(r io.Reader) (violations []string, records int, err error) {
	c := newChecker()
	d := json.NewDecoder(bufio.NewReader(r))
	d.DisallowUnknownFields()
	for {
		var rec Record
		err := d.Decode(&rec)
		if errors.Is(err, io.EOF) {
			return c.finish(), records, nil
		}
		if err != nil {
			return nil, records, fmt.Errorf("read history: record %d: %w", records+1, err)
		}
		records++
		c.add(rec)
	}
}

package event

import "testing"

// TestRecall reads from windows on the end of a log.
func TestRecall(t *testing.T) {
	events := []Event{{ID: "evt_2-0"}, {ID: "evt_3-0"}, {ID: "evt_4-0"}}
	later := recent{valid: true, since: "evt_1-0", events: events}
	whole := recent{valid: true, since: "", events: events} // the log was empty when it was opened
	for name, tt := range map[string]struct {
		window recent
		after  string
		want   int // events; -1: Redis has to be asked
	}{
		"after its first":       {later, "evt_2-0", 2},
		"after its last":        {later, "evt_4-0", 0},
		"where it begins":       {later, "evt_1-0", 3},
		"before that":           {later, "evt_0-9", -1},
		"what it does not know": {later, "evt_3-1", -1},
		"none":                  {recent{}, "evt_2-0", -1},
		"the beginning":         {later, "", -1},
		"the beginning, from a log that was empty then": {whole, "", -1},
		"after an event of such a log":                  {whole, "evt_3-0", 1},
	} {
		l := &Log{recent: tt.window}
		got, ok := l.recall(tt.after, 10)
		if ok != (tt.want >= 0) || ok && len(got) != tt.want {
			t.Errorf("%s: %d events, %v, want %d", name, len(got), ok, tt.want)
		}
	}
}

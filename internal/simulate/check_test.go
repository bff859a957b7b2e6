package simulate

import (
	"strings"
	"testing"
)

// say builds a record of an answer that tells a ride.
func say(op string, sent, done int64, ride string, version int64, state, driver string) Record {
	return Record{Op: op, Sent: sent, Done: done, Status: 200, Ride: ride, Version: version, State: state, Driver: driver}
}

func TestChecker(t *testing.T) {
	end := Record{Op: OpEnd, Sent: 1000, Done: 1000}
	tests := []struct {
		name    string
		history []Record
		want    string // part of the one violation; "": none
	}{
		{"a whole ride", []Record{
			say(OpAsk, 1, 2, "r", 1, "searching", ""), say(OpSee, 3, 9, "r", 2, "offered", "d"), say(OpSee, 10, 11, "r", 3, "searching", ""),
			say(OpSee, 12, 13, "r", 5, "matched", "e"), say(OpComplete, 20, 21, "r", 6, "completed", "e"), end,
		}, ""},
		{"an old answer that was long on its way", []Record{
			say(OpSee, 5, 6, "r", 2, "cancelled", ""), say(OpSee, 4, 9, "r", 1, "searching", ""), end,
		}, ""},
		{"two drivers, one after the other", []Record{
			say(OpSee, 1, 2, "a", 2, "matched", "d"), say(OpSee, 5, 6, "a", 2, "matched", "d"), say(OpComplete, 6, 7, "a", 3, "completed", "d"),
			say(OpSee, 8, 9, "b", 2, "matched", "d"), say(OpSee, 10, 11, "b", 2, "matched", "d"), say(OpComplete, 11, 12, "b", 3, "completed", "d"), end,
		}, ""},
		{"a match that may have been over when the next one was told", []Record{
			say(OpSee, 1, 2, "a", 2, "matched", "d"), say(OpSee, 5, 20, "a", 2, "matched", "d"), say(OpSee, 3, 6, "b", 2, "matched", "d"),
			say(OpSee, 4, 7, "b", 2, "matched", "d"), say(OpSee, 21, 22, "a", 3, "completed", "d"), say(OpSee, 21, 22, "b", 3, "completed", "d"), end,
		}, ""},
		{"the same key, the same ride", []Record{
			{Op: OpAsk, Sent: 1, Done: 2, Status: 200, Key: "k", Ride: "r"}, {Op: OpAsk, Sent: 1, Done: 3, Status: 200, Key: "k", Ride: "r"},
			{Op: OpAsk, Sent: 1, Done: 3, Status: 409, Key: "k"},
		}, ""},
		{"broken off in the middle", []Record{say(OpAsk, 1, 2, "r", 1, "searching", "")}, ""},

		{"a driver twice", []Record{
			say(OpSee, 1, 2, "a", 2, "matched", "d"), say(OpSee, 3, 4, "b", 2, "matched", "d"), say(OpSee, 5, 6, "a", 2, "matched", "d"),
			say(OpSee, 7, 8, "b", 2, "matched", "d"), say(OpSee, 9, 10, "a", 3, "completed", "d"), say(OpSee, 9, 10, "b", 3, "completed", "d"), end,
		}, `driver d: has the rides a and b at a time`},
		{"a version goes back", []Record{
			say(OpSee, 1, 2, "r", 2, "offered", "d"), say(OpSee, 3, 4, "r", 1, "searching", ""),
		}, "answered version 1"},
		{"a version told in two ways", []Record{
			say(OpSee, 1, 2, "r", 1, "matched", "d"), say(OpSee, 3, 4, "r", 1, "matched", "e"),
		}, "version 1 is matched"},
		{"a match is given back", []Record{
			say(OpSee, 1, 2, "r", 2, "matched", "d"), say(OpSee, 3, 4, "r", 3, "searching", ""), say(OpSee, 5, 6, "r", 4, "matched", "e"),
		}, ""},
		{"an end is taken back", []Record{
			say(OpSee, 1, 2, "r", 2, "completed", "d"), say(OpSee, 3, 4, "r", 3, "searching", ""),
		}, "searching came after completed"},
		{"matched after a cancel that was acknowledged", []Record{
			say(OpCancel, 1, 2, "r", 2, "cancelled", ""), say(OpSee, 3, 4, "r", 3, "matched", "d"),
		}, "matched came after cancelled"},
		{"ended twice", []Record{
			say(OpSee, 1, 2, "r", 3, "completed", "d"), say(OpSee, 3, 4, "r", 4, "expired", ""),
		}, "expired came after completed"},
		{"an unknown state", []Record{
			say(OpSee, 1, 2, "r", 1, "searching", ""), say(OpSee, 3, 4, "r", 2, "asleep", ""),
		}, "asleep came after searching"},
		{"another driver in the end", []Record{
			say(OpSee, 1, 2, "r", 2, "matched", "d"), say(OpSee, 3, 4, "r", 3, "completed", "e"),
		}, `matched with "d", completed with "e"`},
		{"matched with nobody", []Record{say(OpSee, 1, 2, "r", 2, "matched", "")}, "without a driver"},
		{"two rides for a key", []Record{
			{Op: OpAsk, Sent: 1, Done: 2, Status: 200, Key: "k", Ride: "a"}, {Op: OpAsk, Sent: 1, Done: 3, Status: 200, Key: "k", Ride: "b"},
		}, "key k led to the rides a and b"},
		{"a ride forgotten", []Record{say(OpAsk, 1, 2, "r", 1, "searching", ""), end}, "is searching when all is over"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Through the file, as --check does it.
			var file strings.Builder
			for _, r := range tt.history {
				if err := writeRecord(&file, r); err != nil {
					t.Fatal(err)
				}
			}
			got, records, err := CheckHistory(strings.NewReader(file.String()))
			if err != nil || records != len(tt.history) {
				t.Fatalf("CheckHistory: %d records, %v", records, err)
			}
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("violations %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("violations %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestCheckHistoryOfSomethingElse(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "hello", "another file": `{"point":"POINT(1 2)"}`, "cut off": `{"op":"see"}` + "\n" + `{"op":`,
	} {
		if _, _, err := CheckHistory(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// However many violations there are, what is told stays readable.
func TestViolationsAreBounded(t *testing.T) {
	c := newChecker()
	for i := range int64(10 * maxViolations) {
		c.add(say(OpSee, i, i, "r", 1, "matched", strings.Repeat("d", int(i%2)+1)))
	}
	if got := c.finish(); len(got) != maxViolations+1 || !strings.Contains(got[maxViolations], "more") {
		t.Errorf("%d violations told, the last one %q", len(got), got[len(got)-1])
	}
}

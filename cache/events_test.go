package cache

import "testing"

func TestParseEvent(t *testing.T) {
	for _, e := range []event{
		{kind: eventStored, storedAt: 123, key: "search?q=a b c"},
		{kind: eventReleased, key: "k"},
		{kind: eventHurry, key: "k"},
		{kind: eventPurged, number: 7, key: "k"},
		{kind: eventScope, number: 7},
	} {
		if got, ok := parseEvent(e.String()); !ok || got != e {
			t.Errorf("parseEvent(%q) = %+v, %v, want %+v", e, got, ok, e)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "no fields": "s", "no key": "s 0 0", "unknown kind": "x 0 0 k",
		"long kind": "ss 0 0 k", "no number": "p x 0 k", "no time": "s 0 x k",
	} {
		if e, ok := parseEvent(s); ok {
			t.Errorf("%s: parseEvent(%q) = %+v", name, s, e)
		}
	}
}

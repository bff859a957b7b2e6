package cache

import (
	"context"
	"testing"
	"time"
)

// What could end a line in the header of an answer is no answer.
func TestEntriesHoldNoLinesOfTheirOwn(t *testing.T) {
	good := Record{Key: "k", Entry: Entry{
		Status: 200, ContentType: "application/json", Provider: "own", Outcome: "found", ETag: `"e"`,
		Fresh: time.Hour, StoredAt: time.Now(), Body: []byte("{}"),
	}}
	if _, err := decode(good.encode()); err != nil {
		t.Fatalf("decode of a good entry: %v", err)
	}
	for name, spoil := range map[string]func(*Record){
		"content type": func(r *Record) { r.ContentType = "text/html\r\nSet-Cookie: a=b\r\n\r\n<script>" },
		"provider":     func(r *Record) { r.Provider = "own\nx" },
		"outcome":      func(r *Record) { r.Outcome = "found\x00" },
		"etag":         func(r *Record) { r.ETag = "\"e\"\r\nX: y" },
		"status":       func(r *Record) { r.Status = 99 },
		"8-bit":        func(r *Record) { r.ContentType = "text/\x85html" },
	} {
		bad := good
		spoil(&bad)
		if got, err := decode(bad.encode()); err == nil {
			t.Errorf("%s: decode = %+v, want a miss", name, got)
		}
	}
}

func TestFillsCannotWriteHeaders(t *testing.T) {
	c := New(nil, Config{Memory: 1 << 20})
	_, err := c.call(context.Background(), func(context.Context, *Priority) (Entry, error) {
		return Entry{Status: 200, ContentType: "text/html\r\nX: y", Fresh: time.Hour}, nil
	}, newPriority(People))
	if err == nil {
		t.Error("a fill with a line break in its content type was taken")
	}
}

package cache

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() *Record {
	return &Record{Key: "search?q=vaduz", generation: 7, Entry: Entry{
		Status: 200, ContentType: "application/json; charset=utf-8",
		Body: []byte(strings.Repeat(`{"lat":"47.14","lon":"9.52"},`, 50)), Provider: "own", Outcome: "found",
		StoredAt: time.Unix(1700000000, 123).UTC(), Fresh: time.Hour, Stale: 24 * time.Hour, ETag: `"abc"`,
	}}
}

func TestRecordRoundTrip(t *testing.T) {
	big := sample()
	ranked := sample()
	ranked.Rank = 2
	small := sample()
	small.Body = []byte("[]")
	empty := sample()
	empty.Body = []byte{}
	for name, rec := range map[string]*Record{"compressed": big, "as it is": small, "no body": empty, "with a rank": ranked} {
		t.Run(name, func(t *testing.T) {
			b := rec.encode()
			got, err := decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rec, &got, cmp.AllowUnexported(Record{})); diff != "" {
				t.Errorf("(-encoded +decoded):\n%s", diff)
			}
		})
	}
	if n, plain := len(big.encode()), len(big.Body); n > plain/4 {
		t.Errorf("%d bytes for a repetitive body of %d: not compressed", n, plain)
	}
}

func TestDecodeRejectsWhatItDidNotWrite(t *testing.T) {
	good := sample().encode()
	older := bytes.Clone(good)
	older[0] = rankedVersion + 1
	if _, err := decode(older); !errors.Is(err, errForeign) {
		t.Errorf("another version: %v, want errForeign", err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, err := decode(bad); err == nil {
			t.Errorf("byte %d changed: decoded", i)
		}
		if _, err := decode(good[:i]); err == nil {
			t.Errorf("cut to %d bytes: decoded", i)
		}
	}
}

// FuzzDecode also repairs the checksum, so that the fuzzer gets behind it.
func FuzzDecode(f *testing.F) {
	f.Add(sample().encode())
	f.Add([]byte{})
	f.Add([]byte{codecVersion})
	f.Add([]byte{codecVersion, flagCompressed, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealed(b)} {
			rec, err := decode(b)
			if err != nil {
				continue
			}
			again, err := decode(rec.encode())
			if err != nil {
				t.Fatalf("decoded, encoded, and then: %v", err)
			}
			if diff := cmp.Diff(rec, again, cmp.AllowUnexported(Record{})); diff != "" {
				t.Fatalf("changed by encoding (-first +second):\n%s", diff)
			}
		}
	})
}

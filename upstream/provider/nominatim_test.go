package provider_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/upstream"
	"geogate/upstream/upstreamtest"
)

// Two recorded requests with one key must have been given one answer: else the
// cache would hand out the wrong one.
func TestRecordedKeysTellAnswersApart(t *testing.T) {
	byKey := make(map[string]upstreamtest.Recording)
	merged := 0
	for _, rec := range upstreamtest.Recordings() {
		req, ok := rec.Canonical()
		if !ok {
			continue
		}
		first, seen := byKey[req.Key()]
		if !seen {
			byKey[req.Key()] = rec
			continue
		}
		merged++
		_, a := first.Unwrapped()
		_, b := rec.Unwrapped()
		if a != b || first.Status != rec.Status {
			t.Errorf("%s and %s have the key %q but different answers:\n%s", first.URL, rec.URL, req.Key(), cmp.Diff(a, b))
		}
	}
	if merged < 10 {
		t.Errorf("only %d recorded requests share a key with an earlier one: the canonical form merges too little", merged)
	}
}

// Every recorded request, sent through a chain to the stand-in, gives what was
// recorded, byte for byte.
func TestRecordedAnswersPassUnaltered(t *testing.T) {
	server := upstreamtest.New(t)
	chain := newChain(t, "nominatim+"+server.URL, upstream.Config{})
	refusedHere, sent := 0, 0
	for _, rec := range upstreamtest.Recordings() {
		req, ok := rec.Canonical()
		if !ok {
			refusedHere++
			continue
		}
		sent++
		a, err := chain.Geocode(t.Context(), req, upstream.People)
		if err != nil {
			t.Errorf("%s: %v", rec.URL, err)
			continue
		}
		contentType, body := rec.Unwrapped()
		got := []any{a.Status, a.ContentType, string(a.Body)}
		if diff := cmp.Diff([]any{rec.Status, contentType, body}, got); diff != "" {
			t.Errorf("%s (sent as %s):\n%s", rec.URL, req.Key(), diff)
		}
		if want := recordedOutcome(rec); a.Outcome != want {
			t.Errorf("%s: outcome %q, want %q", rec.URL, a.Outcome, want)
		}
	}
	// Two layers, one osmtype, three paths and three methods.
	if refusedHere != 8 || sent != 175 || server.Calls() != sent {
		t.Errorf("%d sent, %d not, %d calls; want 175, 8 and 175", sent, refusedHere, server.Calls())
	}
}

func recordedOutcome(rec upstreamtest.Recording) upstream.Outcome {
	switch {
	case rec.Status != 200:
		return upstream.Refused
	case rec.Body == "[]", strings.Contains(rec.Body, "Unable to geocode"), strings.Contains(rec.Body, `"features":[]`),
		strings.Contains(rec.Body, "<searchresults") && !strings.Contains(rec.Body, "<place "):
		return upstream.Empty
	default:
		return upstream.Found
	}
}

func TestNominatimFaults(t *testing.T) {
	tests := []struct {
		name       string
		fault      upstreamtest.Fault
		kind       error
		retryAfter int // seconds
	}{
		{"throttled", upstreamtest.Throttled(7), upstream.ErrThrottled, 7},
		{"throttled without a time", upstreamtest.Throttled(0), upstream.ErrThrottled, 0},
		{"blocked", upstreamtest.Failing(403), upstream.ErrThrottled, 0},
		{"server error", upstreamtest.Failing(500), upstream.ErrUnavailable, 0},
		{"bad gateway", upstreamtest.Failing(502), upstream.ErrUnavailable, 0},
		{"no leave", upstreamtest.Failing(401), upstream.ErrUnavailable, 0},
		{"400 that is not Nominatim's", upstreamtest.Failing(400), upstream.ErrInvalidAnswer, 0},
		{"404 that is not Nominatim's", upstreamtest.Failing(404), upstream.ErrInvalidAnswer, 0},
		{"hanging", upstreamtest.Hang, upstream.ErrTimeout, 0},
		{"cut off", upstreamtest.Truncated, upstream.ErrInvalidAnswer, 0},
		{"page with status 200", upstreamtest.HTML, upstream.ErrInvalidAnswer, 0},
		{"redirect", upstreamtest.Redirect, upstream.ErrInvalidAnswer, 0},
		{"endless", upstreamtest.Oversized, upstream.ErrInvalidAnswer, 0},
		{"connection dropped", upstreamtest.Reset, upstream.ErrUnavailable, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := upstreamtest.New(t)
			server.SetFault(tt.fault)
			options := ""
			if tt.fault == upstreamtest.Hang {
				options = "#timeout=200ms"
			}
			chain := newChain(t, "nominatim+"+server.URL+"?key=SECRET"+options, upstream.Config{})
			_, err := chain.Geocode(t.Context(), request(t, "search?q=Elm+Street"), upstream.People)
			var e *upstream.Error
			if !errors.Is(err, tt.kind) || !errors.As(err, &e) {
				t.Fatalf("Geocode: %v, want %v", err, tt.kind)
			}
			if got := int(e.RetryAfter.Seconds()); got != tt.retryAfter {
				t.Errorf("RetryAfter = %s, want %d s", e.RetryAfter, tt.retryAfter)
			}
			if text := err.Error(); strings.Contains(text, "SECRET") || strings.Contains(strings.ToLower(text), "elm") {
				t.Errorf("the error shows the key or the address: %s", text)
			}
			if n := server.CallsFor("/elsewhere"); n != 0 {
				t.Errorf("the redirect was followed %d times", n)
			}
		})
	}
}

func TestNominatimUnreachable(t *testing.T) {
	server := upstreamtest.New(t)
	chain := newChain(t, "nominatim+"+server.URL, upstream.Config{})
	server.Close()
	_, err := chain.Geocode(t.Context(), request(t, "search?q=x"), upstream.People)
	if !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("Geocode: %v, want %v", err, upstream.ErrUnavailable)
	}
}

// What arrives at the provider is the canonical request and who we are, and
// nothing else.
func TestNominatimSends(t *testing.T) {
	server := upstreamtest.New(t)
	base := strings.Replace(server.URL, "http://", "http://user:pass@", 1)
	chain := newChain(t, "nominatim+"+base+"/nominatim/?key=k1", upstream.Config{Version: "1.2.3", Contact: "ops@example.org"})
	req, err := upstream.Canonical(upstream.Search, upstream.ParseQuery("format=json&q=Vaduz&email=x"), "de;q=0.3,en")
	if err != nil {
		t.Fatal(err)
	}
	_, err = chain.Geocode(t.Context(), req, upstream.People)
	if !errors.Is(err, upstream.ErrInvalidAnswer) { // the stand-in has no such path
		t.Fatalf("Geocode: %v", err)
	}
	got := server.Last()
	if want := "/nominatim/search?accept-language=en,de&format=json&q=vaduz&key=k1"; got.URL.RequestURI() != want {
		t.Errorf("sent %s, want %s", got.URL.RequestURI(), want)
	}
	want := http.Header{
		"User-Agent":      {"geogate/1.2.3 (+ops@example.org)"},
		"Accept-Encoding": {"gzip"},
		"Authorization":   {"Basic dXNlcjpwYXNz"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("headers sent (-want +got):\n%s", diff)
	}
}

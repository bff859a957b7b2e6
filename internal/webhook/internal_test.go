package webhook

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                     0,
		"5":                    5 * time.Second,
		" 120 ":                2 * time.Minute,
		"-5":                   0,
		"soon":                 0,
		"1e9":                  0,
		"99999999999999999999": 0,
		"2000000000":           maxRetryAfter,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Hour).Format(http.TimeFormat):  0,
		now.AddDate(1, 0, 0).Format(http.TimeFormat): maxRetryAfter,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %s, want %s", value, got, want)
		}
	}
}

func TestSchedule(t *testing.T) {
	for n, want := range DefaultRetries {
		pause, again := DefaultRetries.pause(n + 1)
		if !again || pause < want || pause > want+want/5 {
			t.Errorf("pause(%d) = %s, %v, want %s and up to a fifth more", n+1, pause, again, want)
		}
	}
	if _, again := DefaultRetries.pause(len(DefaultRetries) + 1); again {
		t.Error("there is an attempt after the schedule")
	}
}

func TestDefaultRetriesAreTheContract(t *testing.T) {
	const contract = "1s,2s,5s,10s,30s,5m0s,30m0s,2h0m0s,5h0m0s,10h0m0s,24h0m0s"
	if got := DefaultRetries.String(); got != contract {
		t.Errorf("default = %s, want %s", got, contract)
	}
}

// The example of the specification's reference implementation.
func TestSignature(t *testing.T) {
	h := http.Header{}
	err := sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`),
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature = %q, want %q", got, want)
	}
	if h.Get("webhook-id") == "" || h.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("headers = %v", h)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, url := range []string{"https://a.test/", "http://[::1]:9/x?y", "https://0x7f.1/", "https://a@b/", "//x", "https://%31.0.0.1/"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, port, err := parseTarget(raw)
		if err != nil {
			return
		}
		again, samePort, err := parseTarget(u.String())
		if err != nil || again.String() != u.String() || samePort != port {
			t.Errorf("canonical form of %q is not stable: %q, %v", raw, u, err)
		}
	})
}

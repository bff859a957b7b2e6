package events_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
)

// endpoint is a subscriber's: it counts what it gets and answers a status.
func endpoint(t *testing.T, status int) (url string, ids chan string) {
	t.Helper()
	ids = make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids <- r.Header.Get("webhook-id")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("geheim"))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/event", ids
}

type registeredBody struct {
	ID        string
	URL       string
	Types     []string
	Secret    string
	ExpiresAt time.Time `json:"expires_at"`
}

func TestSubscriberFromRegistrationToItsEnd(t *testing.T) {
	f := gatewaytest.New(t)
	url, ids := endpoint(t, http.StatusOK)
	created := f.Do(t, "POST /events/subscribers", fmt.Sprintf(`{"url":%q,"types":["news.*"],"ttl":"2m"}`, url))
	var s registeredBody
	created.JSON(t, &s)
	if created.StatusCode != 201 || created.Header.Get("Location") != "/events/subscribers/"+s.ID || s.URL != url ||
		strings.Join(s.Types, " ") != "news.*" || !strings.HasPrefix(s.Secret, "whsec_") || time.Until(s.ExpiresAt).Round(time.Minute) != 2*time.Minute {
		t.Fatalf("register = %d %s", created.StatusCode, created.Text)
	}
	var renewed registeredBody
	again := f.Do(t, "POST /events/subscribers", fmt.Sprintf(`{"url":%q,"ttl":3600}`, url))
	again.JSON(t, &renewed)
	if again.StatusCode != 200 || renewed.ID != s.ID || renewed.Secret != s.Secret || time.Until(renewed.ExpiresAt).Round(time.Minute) != time.Hour {
		t.Errorf("renew = %d %s", again.StatusCode, again.Text)
	}
	path := "/events/subscribers/" + s.ID
	if kept := f.Do(t, "POST "+path+"/keepalive", ""); kept.StatusCode != 200 || !strings.Contains(kept.Text, `"expires_at"`) {
		t.Errorf("keepalive = %d %s", kept.StatusCode, kept.Text)
	}

	var event struct{ ID string }
	published := f.Do(t, "POST /events", `{"type":"news.flash","data":{"n":1}}`)
	published.JSON(t, &event)
	if published.StatusCode != http.StatusAccepted {
		t.Fatalf("publish = %d %s", published.StatusCode, published.Text)
	}
	if got := <-ids; got != event.ID {
		t.Errorf("webhook-id = %s, POST /events said %s", got, event.ID)
	}
	var list struct {
		Deliveries []struct {
			ID, Type, State string
			NextAttemptAt   *time.Time `json:"next_attempt_at"`
			Attempts        []struct {
				Status     *int
				At         time.Time
				DurationMS int64 `json:"duration_ms"`
			}
		}
	}
	gatewaytest.Eventually(t, "delivered", func() error {
		got := f.Do(t, "GET "+path+"/deliveries?state=delivered", "")
		if got.JSON(t, &list); len(list.Deliveries) != 1 {
			return fmt.Errorf("deliveries = %s", got.Text)
		}
		return nil
	})
	if d := list.Deliveries[0]; d.ID != event.ID || d.Type != "news.flash" || len(d.Attempts) != 1 || d.Attempts[0].Status == nil || *d.Attempts[0].Status != 200 {
		t.Errorf("deliveries = %+v", list)
	}
	for _, target := range []string{"/events/subscribers", path, path + "/deliveries"} {
		got := f.Do(t, "GET "+target, "")
		if got.StatusCode != 200 || strings.Contains(got.Text, "whsec_") || strings.Contains(got.Text, "geheim") {
			t.Errorf("GET %s = %d %s, want it without secret and answer", target, got.StatusCode, got.Text)
		}
	}
	if got := f.Do(t, "GET "+path, ""); !strings.Contains(got.Text, `"state":"active"`) || !strings.Contains(got.Text, `"delivered":1`) ||
		!strings.Contains(got.Text, `"registered_at"`) || !strings.Contains(got.Text, `"last_keepalive_at"`) {
		t.Errorf("GET %s = %s", path, got.Text)
	}

	if got := f.Do(t, "POST "+path+"/deliveries/"+event.ID+"/redeliver", ""); got.StatusCode != http.StatusAccepted {
		t.Errorf("redeliver = %d %s", got.StatusCode, got.Text)
	}
	if got := <-ids; got != event.ID {
		t.Errorf("redelivered %s, want %s", got, event.ID)
	}
	var test struct{ ID string }
	f.Do(t, "POST "+path+"/test", "").JSON(t, &test)
	if got := <-ids; got != test.ID {
		t.Errorf("test event %s, want %s", got, test.ID)
	}
	var rotated registeredBody
	if f.Do(t, "POST "+path+"/rotate", "").JSON(t, &rotated); rotated.Secret == s.Secret || !strings.HasPrefix(rotated.Secret, "whsec_") {
		t.Errorf("rotate = %+v", rotated)
	}
	if got := f.Do(t, "DELETE "+path, ""); got.StatusCode != http.StatusNoContent {
		t.Errorf("delete = %d %s", got.StatusCode, got.Text)
	}
	for _, line := range []string{"GET " + path, "DELETE " + path, "POST " + path + "/keepalive", "POST " + path + "/test", "GET " + path + "/deliveries"} {
		if got := f.Do(t, line, ""); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s of an ended one = %d", line, got.StatusCode)
		}
	}
}

func TestEventsRefuse(t *testing.T) {
	f := gatewaytest.New(t)
	for _, row := range []struct {
		name, line, body string
		status           int
		code             string
	}{
		{"no url", "POST /events/subscribers", `{}`, 400, "missing_url"},
		{"no absolute url", "POST /events/subscribers", `{"url":"/event"}`, 400, "invalid_subscription"},
		{"ttl too long", "POST /events/subscribers", `{"url":"http://127.0.0.1/","ttl":"25h"}`, 400, "invalid_ttl"},
		{"ttl zero", "POST /events/subscribers", `{"url":"http://127.0.0.1/","ttl":0}`, 400, "invalid_ttl"},
		{"ttl negative", "POST /events/subscribers", `{"url":"http://127.0.0.1/","ttl":"-2m"}`, 400, "invalid_ttl"},
		{"ttl no duration", "POST /events/subscribers", `{"url":"http://127.0.0.1/","ttl":true}`, 400, "invalid_ttl"},
		{"wrong type pattern", "POST /events/subscribers", `{"url":"http://127.0.0.1/","types":["re quest"]}`, 400, "invalid_subscription"},
		{"types no list", "POST /events/subscribers", `{"url":"http://127.0.0.1/","types":"a"}`, 400, "wrong_type"},
		{"unknown field", "POST /events/subscribers", `{"url":"http://127.0.0.1/","secret":"x"}`, 400, "unknown_field"},
		{"private address", "POST /events/subscribers", `{"url":"https://10.0.0.1/"}`, 422, "forbidden_target"},
		{"http", "POST /events/subscribers", `{"url":"http://93.184.215.14/"}`, 422, "forbidden_target"},
		{"unknown name", "POST /events/subscribers", `{"url":"https://nobody.invalid/"}`, 422, "unresolved_name"},
		{"unknown subscriber", "POST /events/subscribers/sub_x/keepalive", ``, 404, "not_found"},
		{"no type", "POST /events", `{"data":1}`, 400, "missing_type"},
		{"wrong type", "POST /events", `{"type":"news flash"}`, 400, "invalid_event"},
		{"geogate's own type", "POST /events", `{"type":"request.matched"}`, 422, "reserved_type"},
		{"no JSON", "POST /events", `news`, 400, "invalid_json"},
		{"NUL", "POST /events", `{"type":"a","data":"\u0000"}`, 400, "invalid_text"},
		{"too large", "POST /events", `{"type":"a","data":"` + strings.Repeat("x", 70_000) + `"}`, 413, "body_too_large"},
		{"wrong state", "GET /events/subscribers/sub_x/deliveries?state=lost", ``, 400, "invalid_state"},
		{"wrong limit", "GET /events/subscribers/sub_x/deliveries?limit=0", ``, 400, "invalid_limit"},
		{"wrong types", "GET /events/stream?types=a+b", ``, 400, "invalid_event"},
		{"wrong resume", "GET /events/stream?last_event_id=7", ``, 400, "invalid_event"},
		{"unknown parameter", "GET /events/stream?type=a", ``, 400, "unknown_parameter"},
		{"wrong method", "PUT /events", ``, 405, "method_not_allowed"},
		{"unknown path", "GET /events/nothing", ``, 404, "not_found"},
	} {
		got := f.Do(t, row.line, row.body)
		if got.StatusCode != row.status || !strings.Contains(got.Text, `"code":"`+row.code+`"`) {
			t.Errorf("%s: %s = %d %s, want %d %s", row.name, row.line, got.StatusCode, got.Text, row.status, row.code)
		}
	}
}

func TestPublishIsIdempotent(t *testing.T) {
	f := gatewaytest.New(t)
	first := f.Do(t, "POST /events", `{"type":"a","data":{"n":1}}`, "Idempotency-Key: k")
	again := f.Do(t, "POST /events", `{"type":"a","data":{ "n": 1 }}`, "Idempotency-Key: k")
	if first.Text != again.Text || again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("the same key = %s, then %s (%v)", first.Text, again.Text, again.Header)
	}
	if got := f.Do(t, "POST /events", `{"type":"a","data":{"n":2}}`, "Idempotency-Key: k"); got.StatusCode != 422 {
		t.Errorf("the key with other data = %d", got.StatusCode)
	}
	if got := f.Do(t, "POST /events", `{"type":"a"}`, "Idempotency-Key: "+strings.Repeat("k", 256)); got.StatusCode != 400 {
		t.Errorf("an overlong key = %d", got.StatusCode)
	}
}

// With Redis away events are refused, not lost.
func TestEventsWithoutRedis(t *testing.T) {
	f := gatewaytest.New(t)
	f.Redis.Stop()
	for _, line := range []string{"POST /events", "GET /events/subscribers", "GET /events/stream"} {
		got := f.Do(t, line, `{"type":"a"}`)
		if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s = %d %s", line, got.StatusCode, got.Text)
		}
	}
}

func TestWhoMayUseEvents(t *testing.T) {
	for _, row := range []struct {
		name    string
		token   string // ADMIN_TOKEN
		headers []string
		status  int
	}{
		{"this machine", "", nil, 200},
		{"through a proxy on this machine", "", []string{"X-Forwarded-For: 192.0.2.1"}, 401},
		{"through a proxy that says Forwarded", "", []string{"Forwarded: for=192.0.2.1"}, 401},
		{"page of another site", "", []string{"Origin: https://evil.example"}, 401},
		{"page of another site, by its fetch", "", []string{"Sec-Fetch-Site: cross-site"}, 401},
		{"name that was given our address", "", []string{"Host: evil.example"}, 403},
		{"localhost", "", []string{"Host: localhost:8080"}, 200},
		{"token needed", "s3cret", nil, 401},
		{"wrong token", "s3cret", []string{"Authorization: Bearer guess"}, 401},
		{"right token", "s3cret", []string{"Authorization: Bearer s3cret"}, 200},
		{"right token through a proxy", "s3cret", []string{"Authorization: Bearer s3cret", "X-Forwarded-For: 192.0.2.1"}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := gatewaytest.New(t, gatewaytest.WithToken(row.token))
			for _, line := range []string{"GET /events/subscribers", "HEAD /events/stream"} {
				if got := f.Do(t, line, "", row.headers...); got.StatusCode != row.status {
					t.Errorf("%s = %d %s, want %d", line, got.StatusCode, got.Text, row.status)
				}
			}
		})
	}
	f := gatewaytest.New(t)
	req := httptest.NewRequest("GET", "/events/subscribers", nil)
	req.RemoteAddr, req.Host = "192.0.2.7:4000", "localhost"
	rec := httptest.NewRecorder()
	f.Gateway.ServeHTTP(rec, req)
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("another machine = %d, want 401", rec.Code)
	}
}

func TestEventMetrics(t *testing.T) {
	f := gatewaytest.New(t, gatewaytest.WithToken("t"))
	admin := "Authorization: Bearer t"
	url, ids := endpoint(t, http.StatusInternalServerError)
	var s registeredBody
	f.Do(t, "POST /events/subscribers", fmt.Sprintf(`{"url":%q}`, url), admin).JSON(t, &s)
	f.Do(t, "POST /events", `{"type":"a"}`, admin)
	<-ids
	<-ids // the one retry
	gatewaytest.Eventually(t, "metrics tell of the dead letter", func() error {
		body := f.Do(t, "GET /metrics", "", admin).Text
		for _, line := range []string{
			`geogate_webhook_dead_total{subscriber="` + s.ID + `"} 1`,
			`geogate_webhook_retried_total{subscriber="` + s.ID + `"} 1`,
			`geogate_webhook_failed_attempts_total{subscriber="` + s.ID + `"} 2`,
			`geogate_webhook_delivered_total{subscriber="` + s.ID + `"} 0`,
			`geogate_webhook_enabled{subscriber="` + s.ID + `"} 1`,
			`geogate_events_lag_seconds{group="webhooks"} 0`,
		} {
			if !strings.Contains(body, line) {
				return fmt.Errorf("no %s", line)
			}
		}
		return nil
	})
}

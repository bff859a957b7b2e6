package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"geogate/gateway"
	"geogate/internal/identity"
)

// world is what one trial of one caller is about.
type world struct {
	*house
	as               map[string]string // credentials, by the names in roles
	names, strangers *strings.Replacer // placeholders by what is there, and by what is not
	made             map[string]string
	at               string
}

func (h *house) newWorld(t testing.TB, rt gateway.RouteView, tr trial) *world {
	t.Helper()
	n := h.worlds.Add(1)
	w := &world{house: h, as: map[string]string{"anonymous": "", "admin": "s3cret"}, made: map[string]string{}}
	for _, who := range roles[1:6] {
		token, _, err := h.minter.Mint(who.role, fmt.Sprintf("%s-%d", who.name, n), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w.as[who.name] = token
	}
	// Far enough from all others that only the own driver is asked.
	w.at = fmt.Sprintf(`"lat":%d,"lng":%d`, n%160-80, n/160%170)
	w.made["driver"], w.made["ann"] = fmt.Sprintf("7-%d", n), fmt.Sprintf("ann-%d", n)
	w.furnish(t, n, placeholders(rt, tr))
	pairs := []string{"{at}", w.at}
	for name, value := range w.made {
		pairs = append(pairs, "{"+name+"}", value)
	}
	w.names, w.strangers = strings.NewReplacer(pairs...), h.strangersOf(n)
	if method, rest, found := strings.Cut(w.names.Replace(tr.first), " "); found {
		target, body, _ := strings.Cut(rest, " ")
		w.office(t, method, target, body)
	}
	return w
}

// strangersOf puts ids of nothing in the place of placeholders.
func (h *house) strangersOf(n int64) *strings.Replacer {
	return strings.NewReplacer(
		"{at}", fmt.Sprintf(`"lat":%d,"lng":%d`, n%160-80, n/160%170), "{ann}", "nobody", "{driver}", "nobody",
		"{ride}", "default.00000000000000000000000000", "{asked}", "default.00000000000000000000000000",
		"{offer}", "default.00000000000000000000000000.1", "{job}", strings.Repeat("0", 32),
		"{key}", "unknown", "{hook}", "sub_unknown", "{event}", "evt_unknown")
}

// placeholders is all text of a trial in which there may be some.
func placeholders(rt gateway.RouteView, tr trial) string {
	return targetOf(rt) + tr.query + tr.body + tr.first
}

// targetOf is the path of rt with what it is about in the place of {id}.
func targetOf(rt gateway.RouteView) string {
	for prefix, about := range map[string]string{
		"/v2/requests/": "{ride}", "/v2/drivers/": "{driver}", "/v2/jobs/": "{job}", "/admin/keys/": "{key}", "/events/subscribers/": "{hook}",
	} {
		if strings.HasPrefix(rt.Pattern, prefix) {
			return strings.NewReplacer("{id}", about, "{delivery}", "{event}").Replace(rt.Pattern)
		}
	}
	return strings.NewReplacer("{offer_id}", "{offer}", "{z}/{x}/{y}", "0/0/0", "*", "app.js", "{file}", "reference.js").Replace(rt.Pattern)
}

// furnish makes what the placeholders in text stand for.
func (w *world) furnish(t testing.TB, n int64, text string) {
	t.Helper()
	has := func(name string) bool { return strings.Contains(text, "{"+name+"}") }
	if has("ride") || has("asked") || has("offer") || has("driver") {
		w.made["ride"], w.made["offer"] = w.rideWith(t, w.made["ann"], w.made["driver"], w.at)
		w.made["asked"] = w.made["ride"]
	}
	if has("ride") || has("driver") && !has("offer") {
		w.accept(t, w.made["offer"], w.made["driver"])
		elsewhere := fmt.Sprintf(`"lat":%d.5,"lng":%d.5`, n%160-80, n/160%170)
		_, offer := w.rideWith(t, fmt.Sprintf("bob-%d", n), fmt.Sprintf("8-%d", n), elsewhere)
		w.accept(t, offer, fmt.Sprintf("8-%d", n))
	}
	if has("job") {
		w.made["job"] = field(t, w.office(t, "POST", "/v2/jobs", "q\nVaduz\n"), "job_id")
	}
	if has("key") {
		_, kept, err := w.keys.Create(t.Context(), identity.Request{Role: identity.Rider, Subject: "x"})
		if err != nil {
			t.Fatal(err)
		}
		w.made["key"] = kept.ID
	}
	if has("hook") {
		w.made["hook"] = field(t, w.office(t, "POST", "/events/subscribers", fmt.Sprintf(`{"url":"http://127.0.0.1:1/%d","types":["none"]}`, n)), "id")
		w.made["event"] = "evt_unknown"
	}
}

// rideWith makes a ride of rider that driver has been asked to take.
func (w *world) rideWith(t testing.TB, rider, driver, at string) (ride, offer string) {
	t.Helper()
	w.office(t, "POST", "/tracking", fmt.Sprintf(`{"id":%q,%s}`, driver, at))
	made := w.office(t, "POST", "/v2/search", fmt.Sprintf(`{%s,"rider_id":%q}`, at, rider))
	ride = field(t, made, "request_id")
	offers := w.office(t, "GET", "/v2/drivers/"+driver+"/offers?wait=10s", "")
	if !strings.Contains(offers, ride) {
		t.Fatalf("driver %s was not asked to take %s: %s", driver, made, offers)
	}
	return ride, field(t, offers, "offer_id")
}

func (w *world) accept(t testing.TB, offer, driver string) {
	t.Helper()
	w.office(t, "POST", "/v2/offers/"+offer+"/accept", fmt.Sprintf(`{"driver_id":%q}`, driver))
}

// office does something as an operator, which must succeed.
func (w *world) office(t testing.TB, method, target, body string) (text string) {
	t.Helper()
	got := w.send(t, request{method, target, body}, w.as["office"], false, "")
	if got.status >= 300 {
		t.Fatalf("%s %s %s = %d %s", method, target, body, got.status, got.text)
	}
	return got.text
}

// field is the first text called name in a JSON text.
func field(t testing.TB, text, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, `"`+name+`":"`)
	value, _, ended := strings.Cut(rest, `"`)
	if !found || !ended {
		t.Fatalf("no %s in %s", name, text)
	}
	return value
}

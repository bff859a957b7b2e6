package gateway_test

// A trial is one request of every caller to a route. Each caller has a world of
// their own for it: ann has a ride with driver 7, bob has one with driver 8.
type trial struct {
	// want are the statuses that anonymous callers, ann, bob, driver 7, driver 8, an
	// operator and an administrator get, in this order. 401 means unauthenticated,
	// 403 insufficient_scope, 403! not_yours; 404 means what somebody gets who asks
	// for something that does not exist, to the letter.
	want string
	// body is sent. In body, query and first {ride} is ann's ride with driver 7,
	// {asked} is one that driver 7 was asked to take and {offer} is that offer; {ann}
	// and {driver} are ids, {at} is where they are, {job}, {key}, {hook} and {event}
	// are what an operator and an administrator have made. In the path {id} is
	// whatever the path is about.
	body  string
	query string
	first string // what an operator sends before, "POST /path body"
	shows string // what is in every answer of 200
}

const (
	everybody = "200 200 200 200 200 200 200"
	riders    = "401 200 200 403 403 200 200"
	operators = "401 403 403 403 403 200 200"
	admins    = "401 403 403 403 403 403 200"
)

// access says who may have which route and whose things they may touch there. Every
// route of the table is in it: a route with what it does to the things of others.
// Routes of Nominatim with .php behind them are like those without.
var access = map[string][]trial{
	"GET /search":             {{want: everybody, query: "?q=vaduz", shows: "Vaduz"}},
	"GET /reverse":            {{want: everybody, query: "?lat=47.14&lon=9.52"}},
	"GET /lookup":             {{want: everybody, query: "?osm_ids=R48"}},
	"GET /details":            {{want: everybody, query: "?osmtype=R&osmid=48"}},
	"GET /status":             {{want: everybody}},
	"GET /deletable":          {{want: everybody}},
	"GET /polygons":           {{want: everybody}},
	"GET /api":                {{want: everybody, query: "?q=vaduz", shows: "Vaduz"}},
	"POST /api":               {{want: everybody, body: `{"q":"vaduz"}`, shows: "Vaduz"}},
	"GET /suggest":            {{want: everybody, query: "?q=vadu"}},
	"GET /":                   {{want: everybody}},
	"GET /docs":               {{want: everybody}},
	"GET /docs/{file}":        {{want: everybody}},
	"GET /openapi.json":       {{want: everybody}},
	"GET /openapi.yaml":       {{want: everybody}},
	"GET /console/suggest.js": {{want: everybody}},
	"GET /healthz":            {{want: everybody}},
	"GET /readyz":             {{want: everybody}},
	"GET /version":            {{want: everybody}},
	"GET /metrics":            {{want: admins}},
	"POST /search":            {{want: riders, body: `{{at}}`}},
	"GET /v2/nearby":          {{want: riders, query: "?lat=1&lng=1"}},
	"GET /v2/regions":         {{want: "401 200 200 200 200 200 200", shows: `"default"`}},
	"POST /v2/eta":            {{want: riders, body: `{"from":[{{at}}],"to":[{{at}}]}`}},
	"POST /v2/search":         {{want: riders, body: `{{at}}`}, {want: "401 200 403! 403 403 200 200", body: `{{at},"rider_id":"{ann}"}`, shows: `"rider_id":"{ann}"`}},
	"POST /tracking":          {{want: "401 403 403 200 403! 200 200", body: `{"id":"{driver}",{at}}`}, {want: "401 403 403 200 400 200 200", body: `[{"id":"{driver}",{at}}]`}},
	"POST /v2/cancel":         {{want: "401 200 404 403 403 200 200", body: `{"request_id":"{asked}"}`, shows: `"cancelled"`}},
	"POST /v2/complete":       {{want: "401 403 403 200 404 200 200", body: `{"request_id":"{ride}"}`, shows: `"completed"`}},

	"GET /v2/requests/{id}":           {{want: "401 200 404 200 404 200 200", shows: `"{ride}"`}, {want: "401 200 404 200 404 200 200", query: "?wait=1ms"}},
	"GET /v2/requests/{id}/events":    {{want: "401 200 404 200 404 200 200", shows: `"{ride}"`}},
	"GET /v2/requests/{id}/driver":    {{want: "401 200 404 200 404 200 200", shows: `"lat"`}},
	"POST /v2/requests/{id}/cancel":   {{want: "401 200 404 403 403 200 200", shows: `"cancelled"`}},
	"POST /v2/requests/{id}/arrive":   {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, shows: `"{ride}"`}},
	"POST /v2/requests/{id}/start":    {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, first: `POST /v2/requests/{ride}/arrive {"driver_id":"{driver}"}`, shows: `"started"`}},
	"POST /v2/requests/{id}/complete": {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, shows: `"completed"`}},
	"POST /v2/requests/{id}/release":  {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, shows: `"{ride}"`}},

	"GET /v2/drivers/{id}":          {{want: "401 200 404 200 404 200 200", shows: `"id":"{driver}"`}},
	"DELETE /v2/drivers/{id}":       {{want: "401 403 403 204 404 204 204", first: `POST /v2/complete {"request_id":"{ride}"}`}},
	"POST /v2/drivers/{id}/online":  {{want: "401 403 403 200 404 200 200", shows: `"on_shift":true`}},
	"POST /v2/drivers/{id}/offline": {{want: "401 403 403 200 404 200 200", shows: `"on_shift":false`}},
	"GET /v2/drivers/{id}/events":   {{want: "401 403 403 200 404 200 200", shows: `"{ride}"`}},
	"GET /v2/drivers/{id}/offers":   {{want: "401 403 403 200 404 200 200", shows: `"offers"`}},

	"POST /v2/offers/{offer_id}/accept":  {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, shows: `"matched"`}, {want: "401 403 403 200 404 400 400", body: `{}`}},
	"POST /v2/offers/{offer_id}/decline": {{want: "401 403 403 200 404 200 200", body: `{"driver_id":"{driver}"}`, shows: `"declined"`}},

	"POST /events":                                                  {{want: "401 403 403 403 403 202 202", body: `{"type":"news.flash","data":{}}`}},
	"GET /events/stream":                                            {{want: operators}},
	"GET /events/subscribers":                                       {{want: operators}},
	"POST /events/subscribers":                                      {{want: "401 403 403 403 403 201 201", body: `{"url":"http://127.0.0.1:1/{ann}"}`}},
	"GET /events/subscribers/{id}":                                  {{want: operators}},
	"DELETE /events/subscribers/{id}":                               {{want: "401 403 403 403 403 204 204"}},
	"POST /events/subscribers/{id}/keepalive":                       {{want: operators}},
	"POST /events/subscribers/{id}/rotate":                          {{want: operators}},
	"POST /events/subscribers/{id}/test":                            {{want: "401 403 403 403 403 202 202"}},
	"GET /events/subscribers/{id}/deliveries":                       {{want: operators}},
	"POST /events/subscribers/{id}/deliveries/{delivery}/redeliver": {{want: "401 403 403 403 403 404 404"}},

	"GET /admin/keys":         {{want: admins}},
	"POST /admin/keys":        {{want: "401 403 403 403 403 403 201", body: `{"role":"rider","subject":"x"}`}},
	"DELETE /admin/keys/{id}": {{want: "401 403 403 403 403 403 204"}},
	"POST /admin/tokens":      {{want: admins, body: `{"role":"rider","sub":"x","expires_in":60}`}},
	"GET /admin/fleet":        {{want: admins, shows: `"alive"`}},
	"GET /admin/mode":         {{want: admins, shows: `"normal"`}},
	"PUT /admin/mode":         {{want: admins, body: `{"mode":"normal"}`}},
	"GET /admin/explain":      {{want: admins, query: "?q=vaduz"}},
	"GET /admin/stats":        {{want: admins}},
	"POST /admin/purge":       {{want: "401 403 403 403 403 403 204", body: `{"outcome":"empty"}`}},
	"GET /admin/export":       {{want: admins}},
	"POST /admin/import":      {{want: admins}},

	"GET /v2/requests":                {{want: operators, query: "?driver={driver}", shows: `"{ride}"`}},
	"GET /v2/drivers":                 {{want: operators, query: "?state=busy", shows: `"drivers"`}},
	"GET /v2/map/events":              {{want: operators, query: "?bbox=-180,-90,180,90", shows: `"drivers"`}},
	"GET /console":                    {{want: everybody}},
	"GET /console/*":                  {{want: everybody}},
	"GET /console/session":            {{want: everybody}},
	"GET /console/history":            {{want: admins}},
	"GET /console/labels/{z}/{x}/{y}": {{want: everybody, shows: `"labels"`}},
	"GET /console/basemap":            {{want: everybody}},
	"GET /console/tiles.pmtiles":      {{want: "404 404 404 404 404 404 404"}}, // there is no file

	"GET /jobs":                {{want: everybody}},
	"POST /v2/jobs":            {{want: "401 403 403 403 403 202 202", body: "q\nVaduz\n"}},
	"GET /v2/jobs/{id}":        {{want: operators}},
	"GET /v2/jobs/{id}/events": {{want: operators}},
	"GET /v2/jobs/{id}/result": {{want: operators, query: "?partial=1"}},
	"DELETE /v2/jobs/{id}":     {{want: "401 403 403 403 403 204 204"}},
}

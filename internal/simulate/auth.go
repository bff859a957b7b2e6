package simulate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/internal/geo"
	"geogate/internal/pause"
)

// AuthConfig is what may be chosen about a town in which everybody has a credential
// of their own. Zero values mean the defaults given.
type AuthConfig struct {
	AdminToken        string        // mints the credentials; required
	Duration          time.Duration // 30 s
	Drivers           int           // and as many riders; 200. Every tenth of both cheats
	RequestsPerSecond int           // at most; 500
	Seed              uint64
	Centre            geo.Point // of the town; the zero Point: Munich
}

// AuthReport is what they have seen.
type AuthReport struct {
	Seed     uint64 `json:"seed"`
	Drivers  int    `json:"drivers"`
	Riders   int    `json:"riders"`
	Cheats   int    `json:"cheats"` // among both
	Requests int64  `json:"requests"`

	Honest  int `json:"honest"`  // requests for what is one's own
	Matched int `json:"matched"` // rides of honest riders that got a driver
	Tried   int `json:"tried"`   // requests for what is somebody else's

	Refused  map[string]int `json:"refused"`  // honest requests, by what was answered; want none
	Breaches map[string]int `json:"breaches"` // cheating requests that succeeded; want none
}

// Sound reports whether nobody honest was refused and no cheat succeeded.
func (r *AuthReport) Sound() bool { return len(r.Refused)+len(r.Breaches) == 0 }

// WriteText writes the report for people.
func (r *AuthReport) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "seed      %d\n", r.Seed)
	fmt.Fprintf(&b, "people    %d drivers and %d riders with credentials of their own, %d of them cheats\n", r.Drivers, r.Riders, r.Cheats)
	fmt.Fprintf(&b, "honest    %d requests, %d matched rides, %d kinds of refusal\n", r.Honest, r.Matched, len(r.Refused))
	fmt.Fprintf(&b, "cheating  %d requests, %d kinds succeeded\n", r.Tried, len(r.Breaches))
	for name, list := range map[string]map[string]int{"REFUSED": r.Refused, "BREACH": r.Breaches} {
		for what, n := range list {
			fmt.Fprintf(&b, "%-9s %d × %s\n", name, n, what)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// cheatEvery is one cheat among how many people.
const cheatEvery = 10

// authTown is one run.
type authTown struct {
	cfg    AuthConfig
	client *client
	people []*person

	mu     sync.Mutex
	report AuthReport
	rides  []string // that honest riders have, for cheats to try: nobody keeps an id secret
}

// person is a driver or a rider. Only their own goroutine uses them.
type person struct {
	role, id, token string
	at              geo.Point
	rng             *rand.Rand
	cheats          bool
	trips           int
}

// RunAuth lets drivers and riders use geogate with credentials of their own, a tenth
// of them for what is not theirs, until the duration is over or ctx ends. The
// error is about credentials that could not be had.
func RunAuth(ctx context.Context, bases []string, cfg AuthConfig) (AuthReport, error) {
	if err := checkBases(bases); err != nil {
		return AuthReport{}, err
	}
	orDefault(&cfg.Duration, 30*time.Second)
	orDefault(&cfg.Drivers, 200)
	orDefault(&cfg.RequestsPerSecond, 500)
	orDefault(&cfg.Centre, munich)
	t := &authTown{cfg: cfg, client: newSimulation(bases, Config{RequestsPerSecond: cfg.RequestsPerSecond}).client}
	defer t.client.http.CloseIdleConnections()
	t.report = AuthReport{
		Seed: cfg.Seed, Drivers: cfg.Drivers, Riders: cfg.Drivers,
		Refused: map[string]int{}, Breaches: map[string]int{},
	}
	if err := t.issue(ctx); err != nil {
		return AuthReport{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Duration)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range t.people {
		all.Go(func() { t.live(ctx, p) })
	}
	all.Wait()
	t.report.Requests = t.client.requests.Load()
	return t.report, nil
}

// issue mints a token for everybody, under ids that no other run has.
func (t *authTown) issue(ctx context.Context) error {
	run := strconv.FormatUint(t.cfg.Seed, 36) + "-" + strconv.FormatInt(time.Now().UnixMilli(), 36)
	rng := rand.New(rand.NewPCG(t.cfg.Seed, 0))
	town := newCity(rng, t.cfg.Centre, 5000)
	mint, ctx := errgroup.WithContext(ctx)
	mint.SetLimit(16)
	for n := range 2 * t.cfg.Drivers {
		p := &person{role: "driver", at: town.place(rng), rng: rand.New(rand.NewPCG(t.cfg.Seed, uint64(n)+1)), cheats: n/2%cheatEvery == 0}
		if n%2 == 1 {
			p.role = "rider"
		}
		p.id = fmt.Sprintf("%s-%s-%d", p.role, run, n)
		if p.cheats {
			t.report.Cheats++
		}
		t.people = append(t.people, p)
		mint.Go(func() (err error) {
			p.token, err = t.mint(ctx, p.role, p.id)
			return err
		})
	}
	if err := mint.Wait(); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}

func (t *authTown) mint(ctx context.Context, role, subject string) (token string, err error) {
	a := t.client.call(ctx, request{
		method: http.MethodPost, path: "/admin/tokens", route: "POST /admin/tokens", header: bearer(t.cfg.AdminToken),
		body: map[string]any{"role": role, "sub": subject, "expires_in": 3600},
	})
	var minted struct{ Token, Code string }
	if err := json.Unmarshal(a.body, &minted); err != nil || minted.Token == "" {
		return "", fmt.Errorf("no token is minted: %d %s (it needs ADMIN_TOKEN here, and TOKEN_SECRET and RATE_LIMIT=0 there)",
			a.status, cmp.Or(minted.Code, "no answer"))
	}
	return minted.Token, nil
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// live is what a person does until ctx ends.
func (t *authTown) live(ctx context.Context, p *person) {
	each := time.Duration(2*t.cfg.Drivers) * time.Second / time.Duration(t.cfg.RequestsPerSecond)
	for ctx.Err() == nil {
		switch {
		case p.cheats: // and nothing else, so that no honest rider's ride becomes theirs
			t.cheat(ctx, p)
		case p.role == "driver":
			t.work(ctx, p)
		default:
			t.travel(ctx, p)
		}
		_ = pause.For(ctx, pause.Around(each+100*time.Millisecond, 0.5))
	}
}

// work reports a driver's position, and completes the ride that they have.
func (t *authTown) work(ctx context.Context, p *person) {
	if t.own(ctx, p, "POST", "/tracking", map[string]any{"lat": p.at.Lat, "lng": p.at.Lon}, nil) == nil {
		return
	}
	var self struct {
		RequestID string `json:"request_id"`
	}
	if t.own(ctx, p, "GET", "/v2/drivers/"+p.id, nil, &self) == nil || self.RequestID == "" {
		return
	}
	t.own(ctx, p, "GET", "/v2/requests/"+self.RequestID, nil, nil)
	t.own(ctx, p, "POST", "/v2/complete", map[string]any{"request_id": self.RequestID}, nil)
}

// travel asks for a ride, looks how it stands, and cancels it if there is no driver.
func (t *authTown) travel(ctx context.Context, p *person) {
	var got ride
	p.trips++
	key := fmt.Sprintf("%s-%d", p.id, p.trips)
	if t.ownWith(ctx, p, "POST", "/v2/search", map[string]any{"lat": p.at.Lat, "lng": p.at.Lon}, &got, key) == nil || got.RequestID == "" {
		return
	}
	t.mu.Lock()
	t.rides = append(t.rides, got.RequestID)
	t.rides = t.rides[max(0, len(t.rides)-500):]
	if got.State == "matched" {
		t.report.Matched++
	}
	t.mu.Unlock()
	t.own(ctx, p, "GET", "/v2/requests/"+got.RequestID, nil, &got)
	if got.State == "searching" || got.State == "offered" {
		t.own(ctx, p, "POST", "/v2/cancel", map[string]any{"request_id": got.RequestID}, nil)
	}
}

// own asks for what is a person's own, and notes a refusal. It returns the answer
// unless there is none.
func (t *authTown) own(ctx context.Context, p *person, method, path string, body, into any) *answer {
	return t.ownWith(ctx, p, method, path, body, into, "")
}

// late is what an honest request may meet: the ride has gone on meanwhile, or was
// not taken up because as many are live as may be.
var late = []int{http.StatusOK, http.StatusConflict, http.StatusTooManyRequests}

func (t *authTown) ownWith(ctx context.Context, p *person, method, path string, body, into any, key string) *answer {
	a := t.client.call(ctx, p.request(method, path, body, key))
	if ctx.Err() != nil || a.status == 0 {
		return nil
	}
	code := codeOf(a)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Honest++
	if !slices.Contains(late, a.status) || a.status == http.StatusTooManyRequests && code != "too_many_rides" {
		t.report.Refused[fmt.Sprintf("%s %s as %s: %d %s", method, routeOf(path), p.role, a.status, code)]++
		return nil
	}
	if into != nil {
		_ = json.Unmarshal(a.body, into) // of an answer that says why not, nothing is there
	}
	return &a
}

// attempt is one way to touch what is somebody else's.
type attempt struct {
	method, path string
	body         any
}

// cheat tries one thing that is not a person's own.
func (t *authTown) cheat(ctx context.Context, p *person) {
	victim, ride := t.victim(p)
	if ride == "" {
		return // nobody has one yet
	}
	ways := []attempt{
		{method: "GET", path: "/v2/requests/" + ride}, {method: "GET", path: "/v2/requests/" + ride + "?wait=1ms"},
		{method: "GET", path: "/v2/requests/" + ride + "/events"},
		{method: "POST", path: "/v2/cancel", body: map[string]any{"request_id": ride}},
		{method: "POST", path: "/v2/complete", body: map[string]any{"request_id": ride}},
		{method: "GET", path: "/v2/drivers/" + victim.driver}, {method: "DELETE", path: "/v2/drivers/" + victim.driver},
		{method: "GET", path: "/v2/drivers/" + victim.driver + "/offers"},
		{method: "POST", path: "/tracking", body: map[string]any{"id": victim.driver, "lat": 0, "lng": 0}},
		{method: "POST", path: "/tracking", body: []any{map[string]any{"id": victim.driver, "lat": 0, "lng": 0}}},
		{method: "POST", path: "/v2/search", body: map[string]any{"rider_id": victim.rider, "lat": 0, "lng": 0}},
		{method: "GET", path: "/admin/keys"}, {method: "POST", path: "/admin/tokens", body: map[string]any{"role": "operator", "sub": "x", "expires_in": 60}},
		{method: "GET", path: "/events/subscribers"}, {method: "GET", path: "/metrics"},
	}
	way := ways[p.rng.IntN(len(ways))]
	a := t.client.call(ctx, p.request(way.method, way.path, way.body, ""))
	if ctx.Err() != nil || a.status == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Tried++
	if a.status < http.StatusBadRequest {
		t.report.Breaches[fmt.Sprintf("%s %s as %s: %d", way.method, routeOf(way.path), p.role, a.status)]++
	}
}

type victims struct{ driver, rider string }

// victim chooses two honest people and the ride of a third.
func (t *authTown) victim(p *person) (v victims, ride string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rides) == 0 { // honest riders are there, if there are rides
		return v, ""
	}
	for v.driver == "" || v.rider == "" {
		switch other := t.people[p.rng.IntN(len(t.people))]; {
		case other.cheats:
		case other.role == "driver":
			v.driver = other.id
		default:
			v.rider = other.id
		}
	}
	return v, t.rides[p.rng.IntN(len(t.rides))]
}

func (p *person) request(method, path string, body any, key string) request {
	header := bearer(p.token)
	header["Idempotency-Key"] = key
	return request{
		method: method, path: path, body: body, header: header, route: method + " " + routeOf(path),
		accepted: []int{201, 202, 204, 400, 401, 403, 404, 409, 429},
	}
}

// routeOf is a path without the ids in it.
func routeOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.Contains(part, "-") || strings.Contains(part, ".") {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

func codeOf(a answer) string {
	var problem ride
	_ = json.Unmarshal(a.body, &problem) // other bodies have no code
	return problem.Code
}

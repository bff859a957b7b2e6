package dispatch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/asynctest"
	"geogate/internal/geo"
	"geogate/internal/redistest"
)

// ridesBy follows a list of rides to its end, and calls between after each page.
func ridesBy(t *testing.T, e *dispatch.Engine, q dispatch.RideQuery, between func()) (ids []string) {
	t.Helper()
	for pages := 0; ; pages++ {
		page, err := e.Rides(t.Context(), q)
		if err != nil {
			t.Fatalf("Rides(%+v): %v", q, err)
		}
		for _, ride := range page.Rides {
			ids = append(ids, ride.ID)
		}
		if len(page.Rides) > q.Limit {
			t.Fatalf("page of %d rides, want at most %d", len(page.Rides), q.Limit)
		}
		if page.Next == "" {
			return ids
		}
		if pages > 20_000 {
			t.Fatal("the list has no end")
		}
		q.After = page.Next
		between()
	}
}

func nothing() {}

func TestListsOfRides(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions, MaxPerRider: 1000})
		track(t, e, in("north", at("7", santiago)))
		made := make([]string, 6)
		for i := range made {
			ride, err := e.Request(ctx, dispatch.RideRequest{
				Pickup: santiago, Region: twoRegions[i%2], RiderID: []string{"ann", "bob"}[i/2%2],
			})
			if err != nil {
				t.Fatal(err)
			}
			made[i] = ride.ID
		}
		// 0 is ann's and has driver 7, 1 is ann's, 2 and 3 are bob's, 4 and 5 ann's.
		if _, err := e.Cancel(ctx, made[1], ""); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name string
			q    dispatch.RideQuery
			want []int
		}{
			{"all", dispatch.RideQuery{}, []int{0, 1, 2, 3, 4, 5}},
			{"one state", dispatch.RideQuery{States: []dispatch.State{dispatch.Cancelled}}, []int{1}},
			{"two states", dispatch.RideQuery{States: []dispatch.State{dispatch.Matched, dispatch.Searching}}, []int{0, 2, 3, 4, 5}},
			{"no such state now", dispatch.RideQuery{States: []dispatch.State{dispatch.Expired}}, nil},
			{"region", dispatch.RideQuery{Region: "south"}, []int{1, 3, 5}},
			{"rider", dispatch.RideQuery{Rider: "ann"}, []int{0, 1, 4, 5}},
			{"rider and state", dispatch.RideQuery{Rider: "ann", States: []dispatch.State{dispatch.Searching}}, []int{4, 5}},
			{"driver", dispatch.RideQuery{Driver: "7"}, []int{0}},
			{"driver and rider", dispatch.RideQuery{Driver: "7", Rider: "bob"}, nil},
			{"nobody", dispatch.RideQuery{Rider: "nobody"}, nil},
		}
		for _, tt := range tests {
			for limit := 1; limit <= 7; limit++ {
				tt.q.Limit = limit
				got := ridesBy(t, e, tt.q, nothing)
				var numbers []int
				for _, id := range got {
					numbers = append(numbers, slices.Index(made, id))
				}
				slices.Sort(numbers)
				if !slices.Equal(numbers, tt.want) {
					t.Errorf("%s, %d a page: %v, want %v", tt.name, limit, numbers, tt.want)
				}
			}
		}
		// A ride that was given back is no longer in its driver's list.
		if _, err := e.Release(ctx, made[0], "7", ""); err != nil {
			t.Fatal(err)
		}
		if got := ridesBy(t, e, dispatch.RideQuery{Driver: "7", Limit: 9}, nothing); slices.Contains(got, made[0]) {
			t.Errorf("rides of the driver who gave one back: %v", got)
		}
	})
}

// Between two pages rides are made, matched, completed and cancelled. Those that there were all
// the while are listed once, newest first.
func TestListsOfRidesThatChange(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		rng := rand.New(rand.NewPCG(5, 0))
		var made, untouched []string
		add := func(vehicle string) string {
			ride, err := e.Request(ctx, dispatch.RideRequest{Pickup: north(rng.Float64() * 1000), Region: twoRegions[len(made)%2], Vehicle: vehicle})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, ride.ID)
			return ride.ID
		}
		for i := range 60 {
			if i%3 == 0 {
				untouched = append(untouched, add("bus")) // which nobody drives
			} else {
				add("")
			}
		}
		initial := slices.Clone(made)
		change := func() {
			for range 3 {
				add("")
				track(t, e, in(twoRegions[rng.IntN(2)], at(fmt.Sprint("driver", rng.IntN(10)), santiago)))
				id := made[rng.IntN(len(made))]
				if slices.Contains(untouched, id) {
					continue
				}
				if _, err := e.Complete(ctx, id, ""); stateOf(err) == "searching" {
					_, err := e.Cancel(ctx, id, "")
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		got := ridesBy(t, e, dispatch.RideQuery{Limit: 7}, change)
		before := time.Now().Add(time.Hour)
		for _, id := range got {
			ride, err := e.Ride(ctx, id)
			if err != nil || ride.CreatedAt.After(before) {
				t.Errorf("ride %s of %s comes after one of %s, %v", id, ride.CreatedAt, before, err)
			}
			before = ride.CreatedAt
		}
		once(t, "all rides", got, initial)
		once(t, "searching rides", ridesBy(t, e, dispatch.RideQuery{Limit: 4, States: []dispatch.State{dispatch.Searching}}, change), untouched)
	})
}

// once checks that a list has no entry twice and all that it must have.
func once(t *testing.T, what string, got, must []string) {
	t.Helper()
	seen := make(map[string]bool)
	for _, id := range got {
		if seen[id] {
			t.Errorf("%s: %s comes twice", what, id)
		}
		seen[id] = true
	}
	for _, id := range must {
		if !seen[id] {
			t.Errorf("%s: %s is missing", what, id)
		}
	}
}

func TestEndedRidesLeaveTheLists(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{Retention: time.Millisecond})
		ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, RiderID: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Cancel(t.Context(), ride.ID, ""); err != nil {
			t.Fatal(err)
		}
		run(t, e)
		asynctest.Eventually(t, "the lists are empty", func() bool {
			left, err := rdb.Exists(t.Context(), "geogate:{default}:rides:cancelled", "geogate:{default}:rides:r:ann", "geogate:{default}:ended").Result()
			return err == nil && left == 0
		})
		if got := ridesBy(t, e, dispatch.RideQuery{Limit: 9}, nothing); len(got) > 0 {
			t.Errorf("rides = %v, want none", got)
		}
	})
}

func TestListsOfDrivers(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{Regions: twoRegions})
		var ids []string
		for i := range 20 {
			ids = append(ids, fmt.Sprint("d", i))
			track(t, e, in(twoRegions[i%2], at(ids[i], north(float64(100*i)))))
		}
		if _, err := e.Request(ctx, dispatch.RideRequest{Pickup: santiago, Region: "north"}); err != nil {
			t.Fatal(err)
		}
		setShift(t, e, "d3", false)
		list := func(q dispatch.DriverQuery, between func(page int)) (got []string) {
			t.Helper()
			for page := 0; ; page++ {
				found, err := e.Drivers(ctx, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found.Drivers {
					got = append(got, d.ID)
				}
				if found.Next == "" {
					return got
				}
				q.After = found.Next
				between(page)
			}
		}
		southOf := func(limit geo.Point) func(geo.Point) bool {
			return func(p geo.Point) bool { return p.Lat <= limit.Lat }
		}
		tests := []struct {
			name string
			q    dispatch.DriverQuery
			want []string
		}{
			{"all", dispatch.DriverQuery{}, ids},
			{"busy", dispatch.DriverQuery{States: []dispatch.DriverState{dispatch.Busy}}, []string{"d0"}},
			{"offline or busy", dispatch.DriverQuery{States: []dispatch.DriverState{dispatch.Offline, dispatch.Busy}}, []string{"d0", "d3"}},
			{"reserved", dispatch.DriverQuery{States: []dispatch.DriverState{dispatch.Reserved}}, nil},
			{"in a box", dispatch.DriverQuery{Within: southOf(north(250))}, []string{"d0", "d1", "d2"}},
		}
		for _, tt := range tests {
			for _, limit := range []int{1, 3, 19, 20, 100} {
				tt.q.Limit = limit
				got := list(tt.q, func(int) {})
				slices.SortFunc(got, func(a, b string) int { return slices.Index(ids, a) - slices.Index(ids, b) })
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s, %d a page: %v, want %v", tt.name, limit, got, tt.want)
				}
			}
		}
		// Between two pages they cross the border, back and forth, and keep their places.
		got := list(dispatch.DriverQuery{Limit: 3}, func(page int) {
			for i := 5; i < 15; i++ {
				track(t, e, in(twoRegions[(i+page)%2], at(ids[i], santiago)))
			}
		})
		once(t, "drivers who move", got, ids)
	})
}

func TestListsRefuse(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	e := dispatch.New(rdb, dispatch.Config{})
	for name, q := range map[string]dispatch.RideQuery{
		"invalid_limit":  {Limit: 101},
		"unknown_region": {Limit: 1, Region: "nowhere"},
		"invalid_cursor": {Limit: 1, After: "bm9wZQ"},
	} {
		_, err := e.Rides(t.Context(), q)
		if wrong, ok := errors.AsType[*dispatch.InputError](err); !ok || wrong.Code != name {
			t.Errorf("Rides(%+v) = %v, want %s", q, err, name)
		}
	}
	for name, q := range map[string]dispatch.DriverQuery{"invalid_limit": {}, "invalid_cursor": {Limit: 1, After: "!"}} {
		_, err := e.Drivers(t.Context(), q)
		if wrong, ok := errors.AsType[*dispatch.InputError](err); !ok || wrong.Code != name {
			t.Errorf("Drivers(%+v) = %v, want %s", q, err, name)
		}
	}
}

// TestListsOfAMillionRides measures pages of lists, first and deep ones, among rides that change.
// With -soak only: it takes 2 GB.
func TestListsOfAMillionRides(t *testing.T) {
	if !*soak {
		t.Skip("fills Redis with a million rides: run with -soak")
	}
	const rides, region = 1_000_000, "geogate:{default}:"
	rdb := redistest.Start(t).Client(t)
	ctx := t.Context()
	e := dispatch.New(rdb, dispatch.Config{MaxRides: 2 * rides, RedisTimeout: time.Minute})
	model := request(t, e, santiago)
	fields, err := rdb.HGetAll(ctx, region+"ride:"+model.ID).Result()
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	states := map[string]int{"searching": 2000, "matched": 3000, "cancelled": 200_000, "expired": 100_000, "completed": rides}
	for n := 0; n < rides; n += 1000 {
		_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := n; i < n+1000; i++ {
				state := "completed"
				for name, upTo := range states {
					if i < upTo && upTo < states[state] {
						state = name
					}
				}
				id := fmt.Sprintf("default.%026d", i)
				made := fmt.Sprint(model.CreatedAt.UnixMilli() - int64(i/4))
				copied := make([]any, 0, 2*len(fields))
				for name, value := range fields {
					switch name {
					case "state":
						value = state
					case "h1":
						value = strings.Replace(value, `"searching"`, strconv.Quote(state), 1)
					case "created":
						value = made
					}
					copied = append(copied, name, value)
				}
				pipe.HSet(ctx, region+"ride:"+id, copied...)
				pipe.ZAdd(ctx, region+"rides:"+state, redis.Z{Score: float64(model.CreatedAt.UnixMilli() - int64(i/4)), Member: id})
				if i%100_000 == 0 {
					kept = append(kept, id)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{20, 100} {
		for _, q := range []dispatch.RideQuery{{}, {States: []dispatch.State{dispatch.Completed}}, {States: []dispatch.State{dispatch.Searching, dispatch.Matched}}} {
			var took []time.Duration
			q.Limit = limit
			worst := slowestScript(t, rdb, 4, func() {
				q.After = ""
				for range 100 {
					request(t, e, north(2_000_000)) // and some of the rides change
					began := time.Now()
					page, err := e.Rides(ctx, q)
					took = append(took, time.Since(began))
					if err != nil {
						t.Fatal(err)
					}
					if q.After = page.Next; q.After == "" {
						break
					}
				}
			})
			slices.Sort(took)
			p99 := took[len(took)*99/100]
			t.Logf("%d a page, states %v: p50 %s, p99 %s, slowest script %s", limit, q.States, took[len(took)/2], p99, worst)
			if p99 >= 20*time.Millisecond || worst >= slowest {
				t.Errorf("%d a page, states %v: p99 %s, slowest script %s", limit, q.States, p99, worst)
			}
		}
	}
	began := time.Now()
	all := ridesBy(t, e, dispatch.RideQuery{Limit: dispatch.MaxPage}, nothing)
	t.Logf("%d rides by pages of %d in %s", len(all), dispatch.MaxPage, time.Since(began))
	once(t, "a million rides", all, kept)
	if len(all) < rides {
		t.Errorf("%d rides are listed, want at least %d", len(all), rides)
	}
}

package dispatchtest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/geo"
)

// indexes are what is kept beside rides and drivers so that they are found.
type indexes struct {
	places  map[string]map[string]geo.Point // members of geo indexes, by name: avail, avail:v:van, waiting
	riders  map[string]map[string]bool      // live rides of riders
	keys    map[string]map[string]string    // idempotency keys
	lists   map[string]map[string]bool      // members of lists, by name: rides:matched, drivers:busy
	expires map[string]bool                 // whether a key of Redis does, by its name behind the prefix
}

// readIndexes reads every key of a region.
func (h *History) readIndexes(ctx context.Context, rdb redis.UniversalClient, prefix string) error {
	h.indexes = &indexes{
		places: make(map[string]map[string]geo.Point), riders: make(map[string]map[string]bool),
		keys: make(map[string]map[string]string), expires: make(map[string]bool),
		lists: make(map[string]map[string]bool),
	}
	all, err := keysOf(ctx, rdb, prefix)
	if err != nil {
		return err
	}
	for _, key := range all {
		name := strings.TrimPrefix(key, prefix)
		ttl, err := rdb.PTTL(ctx, key).Result()
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		h.indexes.expires[name] = ttl >= 0
		kind, id, _ := strings.Cut(name, ":")
		switch kind {
		case "ride":
			err = h.readHash(ctx, rdb, h.Rides, prefix+"ride:", id)
		case "driver":
			err = h.readHash(ctx, rdb, h.Drivers, prefix+"driver:", id)
		case "avail", "waiting":
			err = h.readPlaces(ctx, rdb, key, name)
		case "rider":
			var members []string
			members, err = rdb.SMembers(ctx, key).Result()
			h.indexes.riders[id] = setOf(members)
		case "rides", "drivers":
			var members []string
			members, err = rdb.ZRange(ctx, key, 0, -1).Result()
			h.indexes.lists[name] = setOf(members)
		case "idem":
			h.indexes.keys[id], err = rdb.HGetAll(ctx, key).Result()
		}
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
	}
	return nil
}

// keysOf returns the keys that begin with prefix, on all nodes of a cluster.
func keysOf(ctx context.Context, rdb redis.UniversalClient, prefix string) ([]string, error) {
	var mu sync.Mutex
	var all []string
	read := func(ctx context.Context, node *redis.Client) error {
		found, err := node.Keys(ctx, prefix+"*").Result()
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
		return err
	}
	var err error
	switch rdb := rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(ctx, read)
	case *redis.Client:
		err = read(ctx, rdb)
	}
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return all, nil
}

func (h *History) readPlaces(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	members, err := rdb.ZRange(ctx, key, 0, -1).Result()
	if err != nil {
		return err
	}
	where, err := rdb.GeoPos(ctx, key, members...).Result()
	if err != nil {
		return err
	}
	h.indexes.places[name] = make(map[string]geo.Point, len(members))
	for i, member := range members {
		if where[i] != nil {
			h.indexes.places[name][member] = geo.Point{Lat: where[i].Latitude, Lon: where[i].Longitude}
		}
	}
	return nil
}

func setOf(members []string) map[string]bool {
	set := make(map[string]bool, len(members))
	for _, m := range members {
		set[m] = true
	}
	return set
}

// checkIndexes compares every index with the hashes that it leads to.
func (c *checker) checkIndexes() {
	if c.h.indexes == nil {
		return
	}
	c.checkPlaces()
	c.checkRiders()
	c.checkExpiry()
	c.checkLists()
	for digest, fields := range c.h.indexes.keys {
		id := fields["ride"]
		if id != "" && c.h.Rides[id]["idem"] != digest {
			c.wrong("idempotency key %s: leads to ride %q, which is not of that key", digest, id)
		}
	}
}

func (c *checker) wrong(format string, args ...any) {
	c.found = append(c.found, fmt.Errorf(format, args...))
}

func (c *checker) checkPlaces() {
	want := make(map[string]map[string]geo.Point)
	belongs := func(index, id string, fields map[string]string) {
		if want[index] == nil {
			want[index] = make(map[string]geo.Point)
		}
		if p, err := pointOf(fields); err != nil {
			c.wrong("%q of index %s: %w", id, index, err)
		} else {
			want[index][id] = p
		}
	}
	for id, fields := range c.h.Drivers {
		if fields["state"] != string(dispatch.Available) {
			continue
		}
		belongs("avail", id, fields)
		if fields["vehicle"] != "" {
			belongs("avail:v:"+fields["vehicle"], id, fields)
		}
		for tag := range strings.FieldsSeq(fields["tags"]) {
			belongs("avail:t:"+tag, id, fields)
		}
	}
	for id, fields := range c.h.Rides {
		if fields["state"] == string(dispatch.Searching) {
			belongs("waiting", id, fields)
		}
	}
	for index, members := range want {
		for id, p := range members {
			switch at, found := c.h.indexes.places[index][id]; {
			case !found:
				c.wrong("index %s: %q is missing", index, id)
			case geo.Distance(at, p) > roundingM:
				c.wrong("index %s: %q is %.1f m from where they are", index, id, geo.Distance(at, p))
			}
		}
	}
	for index, members := range c.h.indexes.places {
		for id := range members {
			if _, belongs := want[index][id]; !belongs {
				c.wrong("index %s: %q does not belong there", index, id)
			}
		}
	}
}

func (c *checker) checkRiders() {
	want := make(map[string]map[string]bool)
	for id, fields := range c.h.Rides {
		if r := c.rides[id]; r != nil && !r.state.Ended() && fields["rider"] != "" {
			if want[fields["rider"]] == nil {
				want[fields["rider"]] = make(map[string]bool)
			}
			want[fields["rider"]][id] = true
		}
	}
	for _, side := range []struct {
		a, b map[string]map[string]bool
		what string
	}{{want, c.h.indexes.riders, "lacks live"}, {c.h.indexes.riders, want, "holds ended"}} {
		for rider, rides := range side.a {
			for id := range rides {
				if !side.b[rider][id] {
					c.wrong("rider %q: their set %s ride %s", rider, side.what, id)
				}
			}
		}
	}
}

// checkLists verifies that each ride and driver is in the lists that they belong in, and in no
// other.
func (c *checker) checkLists() {
	want := make(map[string]map[string]bool)
	belongs := func(list, id string) {
		if want[list] == nil {
			want[list] = make(map[string]bool)
		}
		want[list][id] = true
	}
	for id, fields := range c.h.Rides {
		if len(fields) == 0 {
			continue
		}
		belongs("rides:"+fields["state"], id)
		if fields["rider"] != "" {
			belongs("rides:r:"+fields["rider"], id)
		}
		if fields["driver"] != "" {
			belongs("rides:d:"+fields["driver"], id)
		}
	}
	for id, fields := range c.h.Drivers {
		if len(fields) > 0 && fields["state"] != "gone" {
			belongs("drivers:"+fields["state"], id)
		}
	}
	for _, side := range []struct {
		a, b map[string]map[string]bool
		what string
	}{{want, c.h.indexes.lists, "is missing"}, {c.h.indexes.lists, want, "does not belong there"}} {
		for list, members := range side.a {
			for id := range members {
				if !side.b[list][id] {
					c.wrong("list %s: %q %s", list, id, side.what)
				}
			}
		}
	}
}

// checkExpiry verifies that what has ended goes, and that nothing goes before.
func (c *checker) checkExpiry() {
	for name, expires := range c.h.indexes.expires {
		kind, id, _ := strings.Cut(name, ":")
		var ended bool
		switch kind {
		case "ride", "asked":
			ended = c.rides[id] == nil || c.rides[id].state.Ended()
		case "idem":
			r := c.rides[c.h.indexes.keys[id]["ride"]]
			ended = r == nil || r.state.Ended() // a claim, or a turn that was left, goes too
		default:
			continue
		}
		if expires != ended {
			c.wrong("key %s: expires: %t, its ride has ended: %t", name, expires, ended)
		}
	}
}

// CheckRegions returns what several regions together violate: a driver is in one of them
// at most, and an idempotency key led to one ride.
func CheckRegions(histories map[string]History) []error {
	var found []error
	homes, rides := make(map[string]string), make(map[string]string)
	for region, h := range histories {
		for id, fields := range h.Drivers {
			switch dispatch.DriverState(fields["state"]) {
			case dispatch.Available, dispatch.Reserved, dispatch.Busy:
				if other, twice := homes[id]; twice {
					found = append(found, fmt.Errorf("driver %q: is %s in %s, and on duty in %s as well", id, fields["state"], region, other))
				}
				homes[id] = region
			}
		}
		for id, fields := range h.Rides {
			if fields["idem"] == "" {
				continue
			}
			if other, twice := rides[fields["idem"]]; twice {
				found = append(found, fmt.Errorf("idempotency key %s: led to ride %s and to %s", fields["idem"], id, other))
			}
			rides[fields["idem"]] = id
		}
	}
	return found
}

package dispatch

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"geogate/internal/geo"
)

// Stats are the figures of one region.
type Stats struct {
	Region    string
	Waiting   int64            // rides searching
	Live      int64            // rides that have not ended
	Available int64            // drivers on the map; a few may not have been heard of
	Engaged   int64            // drivers reserved or busy
	Events    map[string]int64 // transitions since the region began, by Event.Type
	Unsent    int64            // events that have still to be handed on
}

// Stats returns the figures of every region. Errors: ErrUnavailable.
func (e *Engine) Stats(ctx context.Context) ([]Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	all := make([]Stats, 0, len(e.regions))
	for _, region := range e.regions {
		p := prefix(region)
		var waiting, live, available, engaged, events *redis.IntCmd
		var counts *redis.MapStringStringCmd
		_, err := e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			waiting, live = pipe.ZCard(ctx, p+":waiting"), pipe.ZCard(ctx, p+":due")
			available, engaged = pipe.ZCard(ctx, p+":avail"), pipe.ZCard(ctx, p+":engaged")
			events, counts = pipe.XLen(ctx, p+":events"), pipe.HGetAll(ctx, p+":counts")
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read figures: %w: %w", ErrUnavailable, err)
		}
		s := Stats{
			Region: region, Waiting: waiting.Val(), Live: live.Val(), Available: available.Val(),
			Engaged: engaged.Val(), Events: make(map[string]int64),
		}
		if e.cfg.Emit != nil {
			s.Unsent = events.Val()
		}
		for kind, text := range counts.Val() {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read figures: %w: count of %s: %w", ErrUnavailable, kind, err)
			}
			s.Events[kind] = n
		}
		all = append(all, s)
	}
	return all, nil
}

// errNoMemory is that of the built-in server.
var errNoMemory = errors.New("server does not report its memory")

// Memory returns the bytes that Redis uses, on a cluster those of one node.
// Errors: ErrUnavailable, also where the server does not say.
func (e *Engine) Memory(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	info, err := e.rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, err)
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("read memory: %w: %w", ErrUnavailable, errNoMemory)
}

const (
	// MaxPage is how many rides or drivers a page of a list may have.
	MaxPage = 100
	// listRound is how many of a list are looked at in one round trip where filters leave some
	// out, and listRounds how many round trips a page may take: then it is shorter, not slower.
	listRound  = 128
	listRounds = 8
)

// RideQuery selects rides for a list; what is empty selects all.
type RideQuery struct {
	States        []State
	Driver, Rider string
	Region        string
	Limit         int    // 1 to MaxPage
	After         string // Next of the page before; empty: the first page
}

// RidePage is a part of a list of rides, newest first.
type RidePage struct {
	Rides []Ride
	// Next leads to the page behind; empty: there is none. A page may have fewer rides than
	// its limit, or none, and yet a Next.
	Next string
}

// DriverQuery selects drivers for a list; what is empty selects all.
type DriverQuery struct {
	States []DriverState
	Within func(geo.Point) bool // nil: everywhere
	Limit  int                  // 1 to MaxPage
	After  string
}

// DriverPage is a part of a list of drivers, in the order of their first report, with Next as
// in a RidePage.
type DriverPage struct {
	Drivers []Driver
	Next    string
}

// RideStates are the states that a ride can be in.
func RideStates() []State {
	return []State{Scheduled, Searching, Offered, Matched, Arrived, Started, Completed, Cancelled, Expired}
}

// DriverStates are the states that a driver can be in.
func DriverStates() []DriverState { return []DriverState{Offline, Available, Reserved, Busy} }

// Rides returns a page of the rides that are kept, live or ended. Whoever follows Next to the
// end has seen each ride once that was selected all the while, whatever changed
// meanwhile. The clock's decisions show when they are carried out.
// Errors: InputError, ErrUnavailable.
func (e *Engine) Rides(ctx context.Context, q RideQuery) (RidePage, error) {
	l, err := e.listing(q.Region, q.Limit, q.After)
	if err != nil {
		return RidePage{}, fmt.Errorf("list rides: %w", err)
	}
	for _, id := range []string{q.Driver, q.Rider} {
		if id != "" && checkID(id) != nil {
			return RidePage{}, fmt.Errorf("list rides: %w", checkID(id))
		}
	}
	l.descending, l.kind = true, "ride"
	l.filtered = q.Rider != "" && q.Driver != "" || (q.Rider != "" || q.Driver != "") && len(q.States) > 0
	switch {
	case q.Rider != "":
		l.lists = []string{":rides:r:" + q.Rider}
	case q.Driver != "":
		l.lists = []string{":rides:d:" + q.Driver}
	default:
		for _, state := range RideStates() {
			if len(q.States) == 0 || slices.Contains(q.States, state) {
				l.lists = append(l.lists, ":rides:"+string(state))
			}
		}
	}
	var page RidePage
	page.Next, err = l.page(ctx, func(_ string, r *record) (bool, error) {
		if len(r.fields) == 0 { // no longer kept
			return false, nil
		}
		ride, err := r.ride()
		selected := err == nil && (len(q.States) == 0 || slices.Contains(q.States, ride.State)) &&
			(q.Driver == "" || driverOf(ride) == q.Driver) && (q.Rider == "" || ride.RiderID == q.Rider)
		if selected {
			page.Rides = append(page.Rides, ride)
		}
		return selected, err
	})
	if err != nil {
		return RidePage{}, fmt.Errorf("list rides: %w", err)
	}
	return page, nil
}

// Drivers returns a page of the drivers that are known. Whoever follows Next to the end has
// seen each driver once who was selected all the while; one who is on the way from one region to
// another may be missing. Errors: InputError, ErrUnavailable.
func (e *Engine) Drivers(ctx context.Context, q DriverQuery) (DriverPage, error) {
	l, err := e.listing("", q.Limit, q.After)
	if err != nil {
		return DriverPage{}, fmt.Errorf("list drivers: %w", err)
	}
	l.kind, l.filtered = "driver", q.Within != nil
	for _, state := range DriverStates() {
		if len(q.States) == 0 || slices.Contains(q.States, state) {
			l.lists = append(l.lists, ":drivers:"+string(state))
		}
	}
	var page DriverPage
	page.Next, err = l.page(ctx, func(region string, r *record) (bool, error) {
		if r.gone() {
			return false, nil
		}
		d, err := r.driver(region)
		selected := err == nil && (len(q.States) == 0 || slices.Contains(q.States, d.State)) && (q.Within == nil || q.Within(d.Point))
		if selected {
			page.Drivers = append(page.Drivers, d)
		}
		return selected, err
	})
	if err != nil {
		return DriverPage{}, fmt.Errorf("list drivers: %w", err)
	}
	return page, nil
}

// listing is the reading of one page.
type listing struct {
	*Engine
	regions    []string
	lists      []string // of each region; an entry is in one of them
	kind       string   // of the hashes that they lead to
	descending bool
	filtered   bool // by more than the choice of lists
	limit      int
	after      listed
}

// listed is an entry of a list. Its score never changes, so that it is a place to go on from.
type listed struct {
	region, id string
	score      int64 // ms
}

func (e *Engine) listing(region string, limit int, after string) (*listing, error) {
	l := &listing{Engine: e, regions: e.regions, limit: limit}
	if region != "" {
		if _, refused := e.regionNamed(region); refused != nil {
			return nil, refused
		}
		l.regions = []string{region}
	}
	if limit < 1 || limit > MaxPage {
		return nil, &InputError{CodeInvalidLimit, fmt.Sprintf("limit is 1 to %d", MaxPage)}
	}
	if after != "" {
		text, err := base64.RawURLEncoding.DecodeString(after)
		score, id, found := strings.Cut(string(text), " ")
		n, notNumber := strconv.ParseInt(score, 10, 64)
		if err != nil || !found || notNumber != nil || n < 0 || checkID(id) != nil {
			return nil, &InputError{CodeInvalidCursor, "after is not the next of another page"}
		}
		l.after = listed{id: id, score: n}
	}
	return l, nil
}

// cursor is the place behind an entry, for clients.
func (x listed) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(x.score, 10) + " " + x.id))
}

// page calls add with each entry of a page, which reports whether it is selected, and returns
// where to go on.
func (l *listing) page(ctx context.Context, add func(region string, r *record) (bool, error)) (next string, err error) {
	selected := 0
	for range listRounds {
		entries, err := l.entries(ctx)
		if err != nil {
			return "", err
		}
		found, err := l.read(ctx, entries)
		if err != nil {
			return "", err
		}
		for i, entry := range entries {
			if selected == l.limit {
				return l.after.cursor(), nil // somebody is behind it
			}
			is, err := add(entry.region, found[i])
			if err != nil {
				return "", err
			}
			if is {
				selected++
			}
			l.after = entry
		}
		if len(entries) < l.round() {
			return "", nil
		}
	}
	return l.after.cursor(), nil
}

// round is how many entries are read together. One more than a page may have tells whether
// there is another page.
func (l *listing) round() int {
	if l.filtered {
		return listRound
	}
	return l.limit + 1
}

// entries returns those behind the last one, from all regions.
func (l *listing) entries(ctx context.Context) ([]listed, error) {
	order, score := "asc", ""
	if l.descending {
		order = "desc"
	}
	if l.after.id != "" {
		score = strconv.FormatInt(l.after.score, 10)
	}
	calls := make([]call, len(l.regions))
	for i, region := range l.regions {
		args := []any{order, score, l.after.id, l.round()}
		for _, list := range l.lists {
			args = append(args, list)
		}
		calls[i] = call{region, args}
	}
	replies, err := l.runAll(ctx, listScript, calls)
	if err != nil {
		return nil, err
	}
	var all []listed
	seen := make(map[string]bool)
	for i, r := range replies {
		flat := r.strings(0)
		for j := 0; j+1 < len(flat); j += 2 {
			score, err := strconv.ParseInt(flat[j+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%w: decode place in a list: %w", ErrUnavailable, err)
			}
			if !seen[flat[j]] { // who moved between the calls is in two regions
				all = append(all, listed{l.regions[i], flat[j], score})
			}
			seen[flat[j]] = true
		}
	}
	slices.SortFunc(all, func(a, b listed) int {
		if l.descending {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.id, b.id))
	})
	return all[:min(len(all), l.round())], nil
}

// read returns the hashes of entries, in one round trip.
func (l *listing) read(ctx context.Context, entries []listed) ([]*record, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RedisTimeout)
	defer cancel()
	cmds := make([]*redis.MapStringStringCmd, len(entries))
	_, err := l.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, entry := range entries {
			cmds[i] = pipe.HGetAll(ctx, prefix(entry.region)+":"+l.kind+":"+entry.id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	records := make([]*record, len(entries))
	for i, cmd := range cmds {
		records[i] = &record{id: entries[i].id, fields: cmd.Val()}
	}
	return records, nil
}

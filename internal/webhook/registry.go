package webhook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/event"
	"geogate/internal/lua"
)

// State is what becomes of a subscriber's events.
type State string

// States of a subscriber.
const (
	// Active means that events are delivered.
	Active State = "active"
	// Failing means that the last attempt failed; events are delivered and tried again.
	Failing State = "failing"
	// Disabled means that the endpoint only ever failed: events go to the dead letters
	// until it is registered again, or a test or a redelivery succeeds.
	Disabled State = "disabled"
)

// Subscriber is an endpoint that is told of events.
type Subscriber struct {
	ID              string
	URL             string
	Types           event.Patterns
	Secret          string // of the signatures, whsec_…; shown to who registers only
	TTL             time.Duration
	Forever         bool // needs no keepalive; removed when deliveries only fail
	RegisteredAt    time.Time
	LastKeepaliveAt time.Time
	ExpiresAt       time.Time // zero: never
	State           State
	Reason          string    // why it is failing or disabled
	OldSecretUntil  time.Time // until when the secret before this one signs too; zero: not

	Delivered int64 // deliveries that succeeded
	Failed    int64 // attempts that did not
	Retried   int64 // of those, the ones followed by another attempt
	Dead      int64 // deliveries that became dead letters

	Pending     int64         // deliveries not yet settled
	DeadLetters int64         // dead letters that can be redelivered
	Lag         time.Duration // age of the oldest pending delivery
}

// Registration is what a subscriber asks for.
type Registration struct {
	URL   string
	Types event.Patterns // nil: everything, or what it was
	TTL   time.Duration  // 0: DefaultTTL, or what it was

	// Forever is whether it lives without keepalives, until deliveries only fail; nil:
	// no, or what it was.
	Forever *bool
}

// Registry keeps the subscribers. Its methods may be called concurrently.
type Registry struct {
	rdb   redis.UniversalClient
	guard *Guard
	cfg   string
}

// NewRegistry returns the registry on rdb. It starts nothing and does not call Redis.
func NewRegistry(rdb redis.UniversalClient, guard *Guard, cfg Config) *Registry {
	return &Registry{rdb: rdb, guard: guard, cfg: cfg.withDefaults().forScripts()}
}

// Register adds a subscriber, or renews the one with the same URL; created tells
// which. Errors: ErrInvalid, ErrForbiddenTarget, ErrUnresolved, ErrFull,
// ErrUnavailable.
func (r *Registry) Register(ctx context.Context, reg Registration) (s Subscriber, created bool, err error) {
	if reg.TTL != 0 && (reg.TTL < MinTTL || reg.TTL > MaxTTL) {
		return Subscriber{}, false, fmt.Errorf("register: %w", invalid("ttl is from 1s to 24h"))
	}
	if err := reg.Types.Check(); err != nil {
		return Subscriber{}, false, fmt.Errorf("register: %w: %w", ErrInvalid, err)
	}
	target, err := r.guard.Check(ctx, reg.URL)
	if err != nil {
		return Subscriber{}, false, fmt.Errorf("register: %w", err)
	}
	types, ttl, forever := strings.Join(reg.Types, " "), "", ""
	switch {
	case reg.Forever == nil:
	case *reg.Forever:
		forever = "1"
	default:
		forever = "0"
	}
	if reg.TTL != 0 {
		ttl = strconv.FormatInt(reg.TTL.Milliseconds(), 10)
	}
	digest := sha256.Sum256([]byte(target))
	code, s, err := r.run(ctx, registerScript, newID("sub_"), target, hex.EncodeToString(digest[:]), types,
		newSecret(), ttl, DefaultTTL.Milliseconds(), maxSubscribers, forever)
	switch {
	case err != nil:
		return Subscriber{}, false, fmt.Errorf("register: %w", err)
	case code == "full":
		return Subscriber{}, false, ErrFull
	}
	return s, code == "created", nil
}

// Keepalive extends a subscription by its ttl. Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Keepalive(ctx context.Context, id string) (Subscriber, error) {
	_, s, err := r.run(ctx, keepaliveScript, id)
	return s, err
}

// Rotate gives a subscriber a new secret. For 24 h deliveries are signed with the old
// one too, and with the ones before it, at most seven. Errors: ErrNotFound,
// ErrUnavailable.
func (r *Registry) Rotate(ctx context.Context, id string) (Subscriber, error) {
	_, s, err := r.run(ctx, rotateScript, id, newSecret(), rotationLife.Milliseconds(), maxOldSecrets)
	return s, err
}

// Unregister ends a subscription; what is pending for it is dropped. Errors:
// ErrNotFound, ErrUnavailable.
func (r *Registry) Unregister(ctx context.Context, id string) error {
	_, _, err := r.run(ctx, unregisterScript, id)
	return err
}

// Test sends an event of TestType to one subscriber and returns the delivery's id.
// Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Test(ctx context.Context, id string) (delivery string, err error) {
	delivery = newID("evt_test")
	data, err := json.Marshal(map[string]string{"subscriber_id": id})
	if err != nil {
		return "", fmt.Errorf("encode test event: %w", err)
	}
	if _, _, err := r.run(ctx, testScript, id, delivery, TestType, string(data)); err != nil {
		return "", err
	}
	return delivery, nil
}

// Redeliver sends a delivery again, now, whatever became of it. Its place among the
// events of its ride is gone. Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Redeliver(ctx context.Context, id, delivery string) error {
	_, _, err := r.run(ctx, redeliverScript, id, delivery)
	return err
}

// run runs a script and reads the subscriber from its answer, if there is one.
func (r *Registry) run(ctx context.Context, script lua.Script, args ...any) (code string, s Subscriber, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	values, err := script.Run(ctx, r.rdb, scriptKeys, append([]any{r.cfg}, args...)...).Slice()
	if err != nil || len(values) == 0 {
		return "", Subscriber{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	code, _ = values[0].(string)
	if code == "not_found" {
		return code, Subscriber{}, ErrNotFound
	}
	if len(values) < 3 {
		return code, Subscriber{}, nil
	}
	id, _ := values[1].(string)
	flat, _ := values[2].([]any)
	fields := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		fields[name], _ = flat[i+1].(string)
	}
	return code, newSubscriber(id, fields), nil
}

// Subscriber returns one subscriber. Errors: ErrNotFound, ErrUnavailable.
func (r *Registry) Subscriber(ctx context.Context, id string) (Subscriber, error) {
	list, err := r.read(ctx, []string{id})
	if err != nil {
		return Subscriber{}, err
	}
	if len(list) == 0 {
		return Subscriber{}, ErrNotFound
	}
	return list[0], nil
}

// List returns all subscribers, at most a thousand, those that end first in front.
// Error: ErrUnavailable.
func (r *Registry) List(ctx context.Context) ([]Subscriber, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	ids, err := r.rdb.ZRange(ctx, event.Prefix+"subs", 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w: %w", ErrUnavailable, err)
	}
	return r.read(ctx, ids)
}

// read fetches subscribers with their gauges in one round trip; those that are gone
// or expired are left out.
func (r *Registry) read(ctx context.Context, ids []string) ([]Subscriber, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	type answers struct {
		fields        *redis.MapStringStringCmd
		pending, dead *redis.IntCmd
		oldest        *redis.ZSliceCmd
	}
	all := make([]answers, len(ids))
	var clock *redis.Cmd
	_, err := r.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		clock = lua.Time(ctx, pipe, event.StreamKey)
		for i, id := range ids {
			all[i] = answers{
				fields:  pipe.HGetAll(ctx, event.Prefix+"sub:"+id),
				pending: pipe.ZCard(ctx, event.Prefix+"all:"+id),
				dead:    pipe.ZCard(ctx, event.Prefix+"dead:"+id),
				oldest:  pipe.ZRangeWithScores(ctx, event.Prefix+"all:"+id, 0, 0),
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read subscribers: %w: %w", ErrUnavailable, err)
	}
	now, err := lua.TimeOf(clock)
	if err != nil {
		return nil, fmt.Errorf("read subscribers: %w: %w", ErrUnavailable, err)
	}
	list := make([]Subscriber, 0, len(ids))
	for i, a := range all {
		if len(a.fields.Val()) == 0 {
			continue
		}
		s := newSubscriber(ids[i], a.fields.Val())
		if !s.Forever && !s.ExpiresAt.After(now) {
			continue
		}
		s.Pending, s.DeadLetters = a.pending.Val(), a.dead.Val()
		if oldest := a.oldest.Val(); len(oldest) > 0 {
			s.Lag = max(0, now.Sub(time.UnixMilli(int64(oldest[0].Score))))
		}
		list = append(list, s)
	}
	return list, nil
}

func newSubscriber(id string, fields map[string]string) Subscriber {
	integer := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	at := func(name string) time.Time {
		if fields[name] == "" {
			return time.Time{}
		}
		return time.UnixMilli(integer(name)).UTC()
	}
	s := Subscriber{
		ID: id, URL: fields["url"], Types: strings.Fields(fields["types"]), Secret: fields["secret"],
		TTL:          time.Duration(integer("ttl")) * time.Millisecond,
		RegisteredAt: at("created"), LastKeepaliveAt: at("kept"), ExpiresAt: at("expires"),
		Forever: fields["forever"] == "1",
		State:   State(fields["state"]), Reason: fields["reason"], OldSecretUntil: at("old_until"),
		Delivered: integer("delivered"), Failed: integer("failed"), Retried: integer("retried"), Dead: integer("dead"),
	}
	if s.Forever {
		s.ExpiresAt = time.Time{}
	}
	if s.State == Active && at("last_failure").After(at("last_success")) {
		s.State, s.Reason = Failing, fields["last_error"]
	}
	return s
}

// newID returns an unguessable id of 130 bits.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

package dispatch

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lua"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// Redis makes each function of a script anew at each call; those of all files cost as much as
// nine commands. So an entry point has no more of the files than it needs.
var (
	acceptScript    = onRides("accept")
	attemptScript   = onRides("kept", "attempt")
	cancelScript    = onRides("cancel")
	chooseScript    = onRides("choose")
	claimKeyScript  = onRides("keys", "claim_key")
	declineScript   = onRides("decline")
	driverScript    = onRides("driver")
	forgetScript    = onRides("kept", "forget")
	leaveScript     = onRides("kept", "leave")
	listenScript    = onRides("listen")
	offersScript    = onRides("offers")
	reconcileScript = onRides("reconcile")
	releaseScript   = onRides("release")
	requestScript   = onRides("limits", "keys", "request")
	rideScript      = onRides("ride")
	shiftScript     = onRides("limits", "shift")
	stepScript      = onRides("step")
	wakeScript      = onRides("wake")

	claimScript      = load("clock", "lease", "ground", "store", "claim")
	dropKeyScript    = load("clock", "ground", "store", "drop_key")
	dutyScript       = load("clock", "duty")
	givebackScript   = load("clock", "lease", "ground", "store", "giveback")
	keyRegionScript  = load("clock", "key_region")
	leaveKeyScript   = load("clock", "ground", "store", "leave_key")
	listScript       = load("clock", "ground", "store", "list")
	nearestScript    = load("clock", "nearest_short", "ground", "search", "candidates", "nearest")
	outboxDoneScript = load("clock", "lease", "ground", "store", "outbox_done")
	outboxReadScript = load("clock", "lease", "ground", "store", "limits", "outbox_read")
	renewScript      = load("clock", "lease", "ground", "store", "renew")
	swapScript       = load("swap")
	sweepScript      = load("clock", "ground", "store", "drivers", "kept", "sweep")

	// Most positions take the short way, which needs nothing of what the other scripts stand on.
	trackScript = lua.New(func() string {
		return lua.Text(scriptFiles, "clock", "track_short") + transitions() + lua.Text(scriptFiles, "limits", "track")
	})
)

// transitions are what scripts on rides have in common, behind the clock. Matching is most of
// it, and few calls come to that: it is one function, which makes the others (settle.lua).
func transitions() string {
	return lua.Text(scriptFiles, "ground", "store", "drivers", "rides", "settle") +
		"new_matching = function()\n" + lua.Text(scriptFiles, "search", "candidates", "matching") + "end\n"
}

// onRides loads the files of an entry point behind the transitions.
func onRides(names ...string) lua.Script {
	return lua.New(func() string { return lua.Text(scriptFiles, "clock") + transitions() + lua.Text(scriptFiles, names...) })
}

func load(names ...string) lua.Script { return lua.Load(scriptFiles, names...) }

// reply is what a script answers: a code and what belongs to it.
type reply struct {
	code   string
	values []any
}

func (r reply) strings(i int) []string {
	if i >= len(r.values) {
		return nil
	}
	list, _ := r.values[i].([]any)
	out := make([]string, len(list))
	for j, v := range list {
		out[j] = fmt.Sprint(v)
	}
	return out
}

func (r reply) string(i int) string {
	if i >= len(r.values) {
		return ""
	}
	text, _ := r.values[i].(string)
	return text
}

func (r reply) int(i int) int64 {
	if i >= len(r.values) {
		return 0
	}
	n, _ := r.values[i].(int64)
	return n
}

// ride returns the ride that answer in matching.lua appends, at the version that it names.
func (r reply) ride() (Ride, error) {
	if len(r.values) < 2 {
		return Ride{}, fmt.Errorf("%w: script answered %q without a ride", ErrUnavailable, r.code)
	}
	record := newRecord(r.string(0), r.strings(1))
	if version := r.string(2); version != "" && record.fields["h"+version] != "" {
		return record.rideAt(record.integerOf("version", version))
	}
	return record.ride()
}

// run runs a script in a region. go-redis loads it if Redis has lost it, and may
// repeat it when the reply was lost: scripts are safe to repeat.
func (e *Engine) run(ctx context.Context, s lua.Script, region string, args ...any) (reply, error) {
	return e.runWith(ctx, s, region, e.withConfig(args))
}

// look is run for a script that changes nothing: decoding all of the configuration would be
// a thirtieth of what a search costs.
func (e *Engine) look(ctx context.Context, s lua.Script, region string, args ...any) (reply, error) {
	return e.runWith(ctx, s, region, append([]any{e.brief}, args...))
}

func (e *Engine) runWith(ctx context.Context, s lua.Script, region string, args []any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	return decode(s.Run(ctx, e.rdb, []string{prefix(region)}, args...))
}

func (e *Engine) withConfig(args []any) []any {
	return append([]any{e.scriptConfig()}, args...)
}

// call is one of several scripts that runAll sends together.
type call struct {
	region string
	args   []any
}

// runAll runs a script several times in one round trip. Redis may serve nobody else
// until it has done all that it has read, 16 KiB at a time.
func (e *Engine) runAll(ctx context.Context, s lua.Script, calls []call) ([]reply, error) {
	replies, errs := e.runEach(ctx, s, calls)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// runEach is runAll for calls that do not fail together.
func (e *Engine) runEach(ctx context.Context, s lua.Script, calls []call) ([]reply, []error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	cmds := make([]*redis.Cmd, len(calls))
	// The pipeline's own error is that of its first command; each is looked at below.
	_, _ = e.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, c := range calls {
			cmds[i] = s.EvalSha(ctx, pipe, []string{prefix(c.region)}, e.withConfig(c.args)...)
		}
		return nil
	})
	replies, errs := make([]reply, len(calls)), make([]error, len(calls))
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			cmd = s.Run(ctx, e.rdb, []string{prefix(calls[i].region)}, e.withConfig(calls[i].args)...)
		}
		replies[i], errs[i] = decode(cmd)
	}
	return replies, errs
}

func decode(cmd *redis.Cmd) (reply, error) {
	values, err := cmd.Slice()
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if len(values) == 0 {
		return reply{}, fmt.Errorf("%w: script answered nothing", ErrUnavailable)
	}
	code, _ := values[0].(string)
	return reply{code: code, values: values[1:]}, nil
}

// Owner is whom a caller is bound to: rides that are not theirs do not exist for
// them. The zero value is bound to nobody, and believes the ids it is given.
type Owner struct {
	Rider  string // reads and cancels the rides of this rider
	Driver string // reads the rides of this driver
}

type ownerKey struct{}

// As returns a context whose calls are made on behalf of an owner. Scripts check it in
// the step that they take, so that no race can slip through.
func As(ctx context.Context, o Owner) context.Context {
	if o == (Owner{}) {
		return ctx
	}
	return context.WithValue(ctx, ownerKey{}, o)
}

// OwnerOf returns the owner that As has put into a context, or nobody.
func OwnerOf(ctx context.Context) Owner {
	o, _ := ctx.Value(ownerKey{}).(Owner)
	return o
}

// onRide runs a script about one ride. An id that cannot be one is unknown.
func (e *Engine) onRide(ctx context.Context, id string, s lua.Script) (Ride, error) {
	region, ok := regionOfRide(id)
	if !ok {
		return Ride{}, ErrNotFound
	}
	owner := OwnerOf(ctx)
	answer, err := e.run(ctx, s, region, id, owner.Rider, owner.Driver)
	if err != nil {
		return Ride{}, err
	}
	return answer.rideOrRefusal()
}

// rideOrRefusal is the one place that knows what a script's codes mean.
func (r reply) rideOrRefusal() (Ride, error) {
	switch r.code {
	case "ok", "replayed":
		return r.ride()
	case "too_late":
		ride, err := r.ride()
		if err != nil {
			return Ride{}, err
		}
		return Ride{}, &StateError{Ride: ride}
	case "not_found":
		return Ride{}, ErrNotFound
	case "engaged":
		return Ride{}, ErrDriverEngaged
	case "rider_cap":
		return Ride{}, ErrRiderCap
	case "past":
		return Ride{}, &InputError{CodeInvalidPickupAt, "pickup_at has passed"}
	case "too_far_ahead":
		return Ride{}, &InputError{CodeInvalidPickupAt, fmt.Sprintf("pickup_at is more than %d days ahead", scheduleAhead/(24*time.Hour))}
	case "ride_cap":
		return Ride{}, ErrRideCap
	case "backlog":
		return Ride{}, ErrBacklog
	case "key_reused":
		return Ride{}, ErrKeyReused
	case "key_in_flight":
		return Ride{}, ErrKeyInFlight
	}
	return Ride{}, fmt.Errorf("%w: script answered %q", ErrUnavailable, r.code)
}

// Package webhook delivers events to the subscribers' own HTTP endpoints, by the
// Standard Webhooks specification. A Registry keeps the subscribers; a Sender, one
// in each process, sends.
//
// It promises: an event that a subscriber asked for is delivered at least once or
// ends among its dead letters, whichever process dies when; events of one ride or
// driver reach a subscriber in order; an endpoint that is slow, dead or malicious
// neither delays the others nor reaches into the network that geogate runs in.
//
// All state is in Redis and every step of a delivery is one Lua script; DESIGN.md
// has the keys and the argument.
package webhook

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/event"
	"geogate/internal/lua"
	"geogate/internal/trace"
)

// Limits that are not configured.
const (
	MaxTTL     = 24 * time.Hour
	MinTTL     = time.Second
	DefaultTTL = 2 * time.Minute

	maxURL         = 2048
	maxSubscribers = 1000
	rotationLife   = 24 * time.Hour // how long an old secret signs beside the new one
	// maxOldSecrets bounds the signatures of a delivery. More than one old secret signs
	// because a client whose answer was lost rotates again: its receivers still have the
	// secret before the one that it never saw.
	maxOldSecrets = 7

	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
	// lease is how long a worker that says nothing keeps what it has in hand.
	lease = 5 * time.Second
	// turnEvery is the longest pause between two turns: it renews the lease, and
	// bounds how long an ended subscription lingers.
	turnEvery = time.Second
)

// TestType is the type of the event that Registry.Test sends.
const TestType = "webhook.test"

var (
	// ErrNotFound means that there is no such subscriber, or no more, or no such
	// delivery of it.
	ErrNotFound = errors.New("subscriber or delivery not found")
	// ErrInvalid means that a URL, type or ttl is not well-formed.
	ErrInvalid = errors.New("invalid subscription")
	// ErrForbiddenTarget means that geogate does not send there: a private address,
	// or not https on port 443.
	ErrForbiddenTarget = errors.New("target is not allowed")
	// ErrUnresolved means that the name in a URL has no address.
	ErrUnresolved = errors.New("name does not resolve")
	// ErrFull means that there are as many subscribers as there may be.
	ErrFull = errors.New("too many subscribers")
	// ErrUnavailable means that Redis did not answer, or refused.
	ErrUnavailable = errors.New("subscriptions unavailable")
)

func invalid(detail string) error { return &event.InputError{Kind: ErrInvalid, Detail: detail} }

func forbidden(detail string) error {
	return &event.InputError{Kind: ErrForbiddenTarget, Detail: detail}
}

// What a Config says where it says nothing.
const (
	defaultTimeout      = 15 * time.Second
	defaultWindow       = 32
	defaultMaxInFlight  = 512
	defaultMaxBacklog   = 100_000
	defaultDisableAfter = 10
)

// Config adjusts a Registry and a Sender; all processes on one Redis must use the
// same values. Zero values mean the defaults given.
type Config struct {
	Retries      Schedule      // pauses after failed attempts; DefaultRetries
	Timeout      time.Duration // of one attempt; 15 s
	Window       int           // deliveries to one subscriber under way at once; 32
	MaxInFlight  int           // deliveries of one process under way at once; 512
	MaxBacklog   int           // deliveries of one subscriber pending, and as many dead ones; 100,000
	DisableAfter int           // dead letters in a row, no success among them, that disable a subscriber; 10
	Grace        time.Duration // how long attempts under way may finish when Run ends; 3 s
	UserAgent    string        // geogate
	Log          zerolog.Logger

	// Tracer takes spans of attempts; nil: nobody wants them.
	Tracer *trace.Tracer

	// Observe is told of each attempt by the goroutine that made it; nil: nobody is.
	Observe func(Tried)
}

// Tried is one attempt to deliver, for whoever counts. An attempt that the end of the
// process cut short is none.
type Tried struct {
	Outcome string // "delivered", "refused" (a status other than 2xx), or wordFor the error
	Took    time.Duration
}

func (c Config) withDefaults() Config {
	if c.Retries == nil {
		c.Retries = DefaultRetries
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.MaxBacklog == 0 {
		c.MaxBacklog = defaultMaxBacklog
	}
	if c.DisableAfter == 0 {
		c.DisableAfter = defaultDisableAfter
	}
	if c.Grace == 0 {
		c.Grace = 3 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(Tried) {}
	}
	if c.UserAgent == "" {
		c.UserAgent = "geogate"
	}
	return c
}

// history is how many delivered deliveries of a subscriber can be looked at.
const history = 100

// deadLife is how long a dead letter is kept.
const deadLife = 7 * 24 * time.Hour

// forScripts renders what the scripts need to know.
func (c Config) forScripts() string {
	text, err := json.Marshal(map[string]any{
		"window":        c.Window,
		"backlog":       c.MaxBacklog,
		"disable_after": c.DisableAfter,
		"history":       history,
		"dead_life":     deadLife.Milliseconds(),
		"lease":         lease.Milliseconds(),
		"batch":         32, // entries of each kind cleared up in one turn
		"share":         16, // deliveries that one subscriber gets claimed before the next one's turn
		// What handing out may take in one turn, in units of about a microsecond: looking
		// at a subscriber is one. TestHandingOutNeverHoldsRedis has the measure.
		"effort":          300,
		"event_effort":    10,
		"delivery_effort": 15,
	})
	if err != nil {
		panic(fmt.Sprintf("webhook: encode configuration: %v", err)) // numbers always encode
	}
	return string(text)
}

//go:embed scripts/*.lua
var scriptFiles embed.FS

var (
	keepaliveScript  = newScript("keepalive")
	redeliverScript  = newScript("redeliver")
	registerScript   = newScript("register")
	rotateScript     = newScript("rotate")
	testScript       = newScript("test")
	turnScript       = newScript("turn")
	unregisterScript = newScript("unregister")
)

func newScript(name string) lua.Script {
	return lua.Load(scriptFiles, "clock", "lease", "lib", name)
}

// scriptKeys is KEYS of every script.
var scriptKeys = []string{event.Prefix}

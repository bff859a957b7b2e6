// Package memory tells the garbage collector what to aim at: what a process needs, and
// no more than its container has.
package memory

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"geogate/internal/pause"
)

const (
	// besides is what a process needs besides its cache under siege: 8,192 connections
	// with 16 to 20 KiB of buffers and stack each, and bodies. With the 64 MiB of the
	// cache and 43 MiB of the program's file, it stays under 300 MB.
	besides = 176 << 20
	// usualCache is the CACHE_MEMORY that besides goes with. Of what a cache holds above
	// that, one part in cacheRoom is added: all of it is in use, and with no more room
	// than besides a process with a million answers did little but collect.
	usualCache = 64 << 20
	cacheRoom  = 8
	// rest is what is left of a container for what the collector does not know of:
	// buffers of the system for connections, and the part of the program's file that is
	// in use. The collector itself stays three hundredths below its target.
	rest = 32 << 20

	// The target follows what the cache holds, in steps of one part in step: each stops
	// the program for a moment.
	followEvery = time.Second
	step        = 64
)

// Demand is what a process needs, in bytes.
type Demand struct {
	Cache int64 // what its cache may hold
	Extra int64 // beyond what every process has to have
}

// Most is what the process needs when its cache is full.
func (d Demand) Most() int64 { return d.when(d.Cache) }

// when is what it needs when its cache holds so much. Room that is not needed is no
// gift: among a heap's worth of garbage, answers come to lie so far apart that a tenth of
// a full cache was lost between them.
func (d Demand) when(held int64) int64 {
	cache := max(held, min(d.Cache, usualCache))
	return besides + d.Extra + cache + max(0, cache-usualCache)/cacheRoom
}

// Allowed is what the collector may aim at in a container of so many bytes; half of one
// that has hardly more than what is left.
func Allowed(container int64) int64 { return max(container-rest, container/2) }

// Container returns the bytes that all processes of this process's container may hold
// together, and math.MaxInt64 where nothing limits them or no limit can be read. It
// knows the control groups of Linux, of both versions.
func Container() int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil {
		return math.MaxInt64
	}
	return int64(min(limit, math.MaxInt64))
}

// Target keeps the collector at work above what the process needs, instead of letting
// the heap grow to twice what is in use. It is no limit.
type Target struct {
	demand  Demand
	allowed int64
	set     func(bytes int64)
	at      int64
}

// Aim sets the target of a process whose cache is empty. It returns nil, and does
// nothing, where GOMEMLIMIT is set: that has precedence.
func Aim(d Demand) *Target {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return nil
	}
	t := &Target{demand: d, allowed: Allowed(Container()), set: func(bytes int64) { debug.SetMemoryLimit(bytes) }}
	t.move(0)
	return t
}

// Follow moves the target with what the cache holds, until ctx ends.
func (t *Target) Follow(ctx context.Context, held func() int64) {
	if t == nil {
		return
	}
	for pause.For(ctx, followEvery) == nil {
		t.move(held())
	}
}

func (t *Target) move(held int64) {
	to := min(t.demand.when(held), t.allowed)
	if moved := to - t.at; max(moved, -moved) > t.at/step {
		t.at = to
		t.set(to)
	}
}

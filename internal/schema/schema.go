// Package schema keeps releases and settings that do not go together from
// sharing a Redis unnoticed.
//
// The form of what is stored has a version, which stands in Redis. A process
// that finds an older one migrates it or refuses to run; one that finds a newer
// one refuses. And processes note the settings that all of them must share: those
// that disagree say so for as long as both run.
package schema

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/internal/lease"
	"geogate/internal/pause"
)

// Version is the version of what this release stores. Whoever changes a key so
// that the release before cannot work with it adds one, and a Step to get there.
//
//   - 2: drivers who went offline stay in watch until they are forgotten, a driver has
//     one home region, and a region is one process's duty.
//   - 3: a ride under way is matched, arrived or started, and its versions are JSON.
//   - 4: rides and drivers are in lists, and a driver's shift is in the record of their home.
const Version = 4

// Keys. They belong to no aggregate, and each stands in a slot of its own.
const (
	versionKey  = "geogate:schema"
	leaseKey    = "geogate:schema:lease"
	settingsKey = "geogate:schema:settings"
)

// unversioned are keys that releases without a version made and never removed
// while there was anything worth keeping. What has them and no version is version 1.
var unversioned = []string{
	"geogate:regions", "geogate:{default}:counts", "geogate:{events}:stream", "geogate:jobs:active",
}

// ErrRefused means that this release must not work on what is in Redis. It is
// always one of a newerError and an olderError, whose texts say what to do.
var ErrRefused = errors.New("release does not fit what is in Redis")

type newerError struct{ found, known int }

func (e newerError) Error() string {
	return fmt.Sprintf("Redis holds schema version %d and this release knows versions up to %d: "+
		"start the newer release again, or give this one an empty Redis", e.found, e.known)
}

func (newerError) Is(target error) bool { return target == ErrRefused }

type olderError struct{ found, known int }

func (e olderError) Error() string {
	return fmt.Sprintf("Redis holds schema version %d and this release, which knows version %d, cannot migrate it: "+
		"start a release in between first, or give this one an empty Redis", e.found, e.known)
}

func (olderError) Is(target error) bool { return target == ErrRefused }

// Step migrates from one version to the next. Do is called again and again until
// there is nothing more to do; each call takes a second at most, so that Redis
// serves others in between. It must be safe to repeat: a process may die in the
// middle, and another one begins anew.
type Step struct {
	From int
	Do   func(ctx context.Context, rdb redis.UniversalClient) (more bool, err error)
}

const (
	// leaseLife is how long others wait for a process that died while it migrated.
	leaseLife = 10 * time.Second
	// lookEvery is how often a process looks whether another one has migrated.
	lookEvery = 200 * time.Millisecond
)

// Check compares the version in Redis with this release's. It writes the version
// when there is none, and migrates an older one by steps; of several processes one
// migrates and the others wait. A release that does not fit gets ErrRefused; any
// other error is that of Redis, or of a step, and Check may be called again.
func Check(ctx context.Context, rdb redis.UniversalClient, steps ...Step) error {
	return check(ctx, rdb, Version, steps)
}

func check(ctx context.Context, rdb redis.UniversalClient, known int, steps []Step) error {
	var turn *lease.Lease
	for {
		found, err := read(ctx, rdb, known)
		if err != nil {
			return fmt.Errorf("check schema: %w", err)
		}
		step := stepFrom(found, steps)
		switch {
		case found > known:
			return newerError{found, known}
		case found == known:
			if turn != nil {
				_ = turn.Return(ctx) // else it lapses
			}
			return nil
		case step == nil:
			return olderError{found, known}
		}
		if turn == nil {
			turn = lease.New(rdb, leaseKey, processName(), leaseLife)
		}
		held, err := turn.Take(ctx)
		if err == nil && !held {
			err = pause.For(ctx, lookEvery)
		} else if err == nil {
			err = migrate(ctx, rdb, turn, step)
		}
		if err != nil {
			return fmt.Errorf("migrate schema from version %d: %w", found, err)
		}
	}
}

// read returns the version in Redis. An empty Redis gets the known one.
func read(ctx context.Context, rdb redis.UniversalClient, known int) (int, error) {
	text, err := rdb.Get(ctx, versionKey).Result()
	if errors.Is(err, redis.Nil) {
		first, err := firstVersion(ctx, rdb, known)
		if err != nil {
			return 0, err
		}
		// Whoever writes first has looked at the same keys.
		if err := rdb.SetNX(ctx, versionKey, first, 0).Err(); err != nil {
			return 0, err
		}
		text, err = rdb.Get(ctx, versionKey).Result()
		if err != nil {
			return 0, err
		}
	} else if err != nil {
		return 0, err
	}
	found, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is not a version", ErrRefused, versionKey)
	}
	return found, nil
}

// firstVersion is the version of a Redis that has none.
func firstVersion(ctx context.Context, rdb redis.UniversalClient, known int) (int, error) {
	cmds, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range unversioned {
			pipe.Exists(ctx, key)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, cmd := range cmds {
		if exists, is := cmd.(*redis.IntCmd); is && exists.Val() > 0 {
			return 1, nil
		}
	}
	return known, nil
}

func stepFrom(version int, steps []Step) *Step {
	for i := range steps {
		if steps[i].From == version {
			return &steps[i]
		}
	}
	return nil
}

// errLost ends a migration that another process took over.
var errLost = errors.New("another process has taken over")

// migrate takes one step under the lease and then notes the version reached. It does
// nothing if another process has taken the step since the caller read the version:
// that may have come further, and noting the version again would throw it back.
func migrate(ctx context.Context, rdb redis.UniversalClient, turn *lease.Lease, step *Step) error {
	if version, err := rdb.Get(ctx, versionKey).Result(); err != nil || version != strconv.Itoa(step.From) {
		return err
	}
	for {
		more, err := step.Do(ctx, rdb)
		if err != nil {
			return err
		}
		held, err := turn.Take(ctx)
		if err != nil {
			return err
		}
		if !held {
			return errLost
		}
		if !more {
			return rdb.Set(ctx, versionKey, step.From+1, 0).Err()
		}
	}
}

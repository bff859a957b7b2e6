package redisclient

import (
	"context"

	"github.com/redis/go-redis/v9"

	"geogate/internal/turns"
)

// callsEach is how many connections the requests of one client use at a time, so that
// there are always some for others.
const callsEach = 4

// fairly is a hook that lets calls through in the order of a queue. A pipeline is one
// call.
type fairly struct{ queue *turns.Queue }

// turn waits for the turn of a call. What go-redis sends on a new connection comes
// through the hook as well, with the same context: it belongs to the call that needs the
// connection.
func (f fairly) turn(ctx context.Context) (inTurn context.Context, done func(), err error) {
	done, err = f.queue.Wait(ctx)
	return turns.As(ctx, ""), done, err
}

// DialHook implements redis.Hook.
func (f fairly) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (f fairly) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, done, err := f.turn(ctx)
		if err != nil {
			cmd.SetErr(err)
			return err
		}
		defer done()
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (f fairly) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, done, err := f.turn(ctx)
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		defer done()
		return next(ctx, cmds)
	}
}

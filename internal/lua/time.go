package lua

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Time asks the server that holds a key what time it is, as the scripts that work on the
// key see it. The command TIME has no key: a cluster may send it to any of its nodes, whose
// clocks differ.
func Time(ctx context.Context, c redis.Scripter, key string) *redis.Cmd {
	return c.Eval(ctx, "return redis.call('TIME')", []string{key})
}

// TimeOf is what Time was answered.
func TimeOf(answer *redis.Cmd) (time.Time, error) {
	parts, err := answer.StringSlice()
	if err != nil {
		return time.Time{}, err
	}
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("TIME has %d parts", len(parts))
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, micros*1000), nil
}

package bulk

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// Without Redis a worker tries every second and says so once a minute, not each time.
func TestWorkerTellsOfTroubleOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		if err := rdb.Close(); err != nil { // every call fails at once
			t.Fatal(err)
		}
		var log bytes.Buffer
		w := NewWorker(rdb, nil, NewBell(Transport{}, zerolog.Nop()), nil, WorkerConfig{Log: zerolog.New(zerolog.SyncWriter(&log)), Chunks: 2})
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "bulk worker in trouble"); n != 3 {
			t.Errorf("%d lines in two and a half minutes, want 3:\n%s", n, log.String())
		}
	})
}

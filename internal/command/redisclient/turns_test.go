package redisclient

import (
	"fmt"
	"sync"
	"testing"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
	"geogate/internal/turns"
)

// A client with more calls under way than there are connections keeps nobody else
// waiting.
func TestOneClientLeavesConnectionsToOthers(t *testing.T) {
	options, err := ParseURL("redis://" + redistest.Start(t).Addr)
	if err != nil {
		t.Fatal(err)
	}
	rdb := Open(options)
	defer func() { _ = rdb.Close() }()
	greedy := turns.As(t.Context(), "greedy")
	var calls sync.WaitGroup
	for range 3 * defaultPoolSize {
		calls.Go(func() {
			if err := rdb.BLPop(greedy, 0, "list").Err(); err != nil {
				t.Errorf("a call that had to wait: %v", err)
			}
		})
	}
	asynctest.Eventually(t, "the greedy client waits with all calls that it may have", func() bool {
		info, err := rdb.InfoFields(turns.As(t.Context(), "modest"))
		return err == nil && info["blocked_clients"] == fmt.Sprint(callsEach)
	})
	for range 3 * defaultPoolSize {
		if err := rdb.RPush(t.Context(), "list", "x").Err(); err != nil {
			t.Fatalf("a call in nobody's name: %v", err)
		}
	}
	calls.Wait()
}

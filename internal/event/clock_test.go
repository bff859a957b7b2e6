package event_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"geogate/internal/event"
	"geogate/internal/redistest"
)

// The nodes of a cluster have clocks of their own. What the age of events is measured by
// must be the clock that dated them.
func TestAgeIsMeasuredByTheClockOfTheLog(t *testing.T) {
	c := redistest.StartCluster(t)
	l := event.New(c.Client(t), event.Config{})
	publish(t, l, event.Publication{Type: "news.flash"})
	for range 20 { // a node is drawn anew each time
		if err := l.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range c.Nodes {
		asked := askedForTime(t, node.Client(t))
		if holds := node == c.Owner(t, event.StreamKey); asked != holds {
			t.Errorf("node %s was asked for the time: %t; it holds the log: %t", node.Addr, asked, holds)
		}
	}
}

func askedForTime(t *testing.T, node *redis.Client) bool {
	t.Helper()
	info, err := node.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(info, "cmdstat_time:")
}

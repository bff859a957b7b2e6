package redistest

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestClusterServesWhatItsNodesHold(t *testing.T) {
	ctx := context.Background()
	c := StartCluster(t)
	client := c.Client(t)
	owners := map[*Server]string{}
	for i := 0; len(owners) < len(c.Nodes); i++ {
		key := fmt.Sprint("key", i)
		if err := client.Set(ctx, key, "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
		owners[c.Owner(t, key)] = key
	}
	lost := c.Nodes[1]
	lost.Stop()
	for node, key := range owners {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := client.Get(short, key).Err()
		cancel()
		if (err != nil) != (node == lost) {
			t.Errorf("with one node stopped, GET from another (%v): %v", node != lost, err)
		}
	}
	lost.Restart(t)
	c.AwaitWhole(t)
	if err := client.Set(ctx, owners[lost], "v", 0).Err(); err != nil {
		t.Errorf("after Restart: %v", err)
	}
}

package rides_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"geogate/gateway/gatewaytest"
	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

// replicate makes one server a replica of another, and returns when it has everything.
func replicate(t *testing.T, to *redis.Client, from *redistest.Server) {
	t.Helper()
	host, port, err := net.SplitHostPort(from.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	asynctest.Eventually(t, "the replica has everything", func() bool {
		info, err := to.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
}

func promote(t *testing.T, replica *redis.Client) {
	t.Helper()
	if err := replica.ReplicaOf(context.Background(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
}

// scripts is how many scripts the server has run.
func scripts(t *testing.T, rdb *redis.Client) (n int) {
	t.Helper()
	info, err := rdb.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if rest, found := strings.CutPrefix(line, "cmdstat_evalsha:calls="); found {
			calls, _, _ := strings.Cut(rest, ",")
			if n, err = strconv.Atoi(calls); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// A replica that had not heard of the match takes over, and the ride goes another way.
func TestAFailoverThatLosesAMatchIsTold(t *testing.T) {
	f := gatewaytest.New(t)
	primary := f.Redis.Client(t)
	standby := redistest.Start(t)
	replica := standby.Client(t)
	var ride gatewaytest.Ride
	f.Do(t, "POST /v2/search", gatewaytest.RiderInSantiago).JSON(t, &ride)
	path := "/v2/requests/" + ride.RequestID
	s := f.Open(t, path+"/events")
	gatewaytest.NextEvent(t, s.Blocks)
	replicate(t, replica, f.Redis)
	promote(t, replica) // from here on it hears nothing

	f.Do(t, "POST /tracking", gatewaytest.DriverInSantiago)
	lost := gatewaytest.NextEvent(t, s.Blocks)
	held := f.Do(t, "GET "+path, "").Header.Get("ETag")
	if lost.Event != "matched" || held == "" {
		t.Fatalf("event %+v and ETag %s, want the match", lost, held)
	}
	replicate(t, primary, standby) // the clients' address has what the promoted replica has
	promote(t, primary)
	gatewaytest.Eventually(t, "Redis is there again", func() error { return primary.Ping(t.Context()).Err() })

	before, began := scripts(t, primary), time.Now()
	if got := f.Do(t, "POST /v2/cancel", `{"request_id":"`+ride.RequestID+`"}`); got.StatusCode != 200 {
		t.Fatalf("cancel: %d %s", got.StatusCode, got.Text)
	}
	if got := f.Do(t, "GET "+path, "", "If-None-Match: "+held); got.StatusCode != 200 || !strings.Contains(got.Text, `"state":"cancelled"`) {
		t.Errorf("GET with the ETag of the lost match: %d %s, want the ride as it is", got.StatusCode, got.Text)
	}
	if got := gatewaytest.Rest(t, s.Blocks); len(got) == 0 || got[len(got)-1].Event != "cancelled" {
		t.Errorf("the stream ended with %+v, want cancelled", got)
	}
	again := f.Open(t, path+"/events", "Last-Event-ID: "+lost.ID)
	if got := gatewaytest.EventsOf(gatewaytest.Rest(t, again.Blocks)); again.Status != 200 || len(got) != 1 || got[0] != "2 cancelled" {
		t.Errorf("resumed after the lost match: %d %v, want the present state", again.Status, got)
	}
	most := 100 + 50*int(time.Since(began).Seconds()) // those of workers among them
	if n := scripts(t, primary) - before; n > most {
		t.Errorf("%d scripts since the failover, want %d at most: no stream spins", n, most)
	}
}

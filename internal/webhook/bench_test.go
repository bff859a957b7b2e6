package webhook_test

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"geogate/internal/event"
	"geogate/internal/redistest"
)

// payload is about what a ride shows.
var payload = []byte(`{"request_id":"default.iyaneg2cgihiampmo3xqwhhbu3","state":"matched","version":2,"pickup":{"lat":-33.44,"lng":-70.63},"region":"default","driver":{"id":"1","lat":-33.44091,"lng":-70.6301,"distance_m":101.57},"created_at":"2026-11-21T08:26:12.703Z","updated_at":"2026-11-21T08:26:12.703Z","expires_at":"2026-11-21T08:30:12.703Z"}`)

// The limit: what redis-benchmark can XADD on this machine, 50 connections without
// pipelining. Compare events/s with the benchmarks below.
func BenchmarkRedisXADD(b *testing.B) {
	tool, err := exec.LookPath("redis-benchmark")
	if err != nil {
		b.Skip("redis-benchmark is not on the PATH; Debian has it in redis-tools")
	}
	s := redistest.Start(b)
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		b.Fatal(err)
	}
	n := max(b.N, 1000)
	out, err := exec.Command(tool, "-h", host, "-p", port, "-n", strconv.Itoa(n), "-c", "50", "--csv",
		"XADD", "stream", "*", "type", "request.matched", "at", "1763709000123", "subject", "ride:1", "data", string(payload)).Output()
	if err != nil {
		b.Fatal(err)
	}
	// "test","rps",… / "XADD …","12345.67",…
	_, row, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	for field := range strings.SplitSeq(row[strings.LastIndex(row, `}`)+1:], ",") {
		if rate, err := strconv.ParseFloat(strings.Trim(field, `"`), 64); err == nil {
			b.ReportMetric(rate, "events/s")
			return
		}
	}
	b.Fatalf("redis-benchmark said %s", out)
}

// Publishing, 50 at a time as above: one script an event.
func BenchmarkPublish(b *testing.B) {
	l := event.New(redistest.Start(b).Client(b), event.Config{})
	var position atomic.Int64
	b.SetParallelism(25)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _, err := l.Publish(b.Context(), event.Publication{
				Type: event.RequestMatched, Subject: "ride:1", Data: payload,
				Source: strconv.FormatInt(position.Add(1), 10), Position: "1-1",
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// From publishing one event after the other to the handlers of all subscribers, over
// real HTTP on loopback, with both ends in this process.
func BenchmarkDeliver(b *testing.B) {
	for _, subscribers := range []int{1, 10} {
		b.Run(fmt.Sprint(subscribers, " subscribers"), func(b *testing.B) {
			h := newHouse(b, redistest.Start(b).Client(b), quick())
			var delivered atomic.Int64
			done := make(chan struct{})
			want := int64(b.N * subscribers)
			for i := range subscribers {
				r := newReceiver(b, func(http.ResponseWriter, *http.Request, received) {
					if delivered.Add(1) == want {
						close(done)
					}
				})
				r.forget = true
				h.register(b, r.URL+"/"+strconv.Itoa(i))
			}
			b.ResetTimer()
			for i := range b.N {
				_, _, err := h.events.Publish(b.Context(), event.Publication{
					Type: event.RequestMatched, Subject: "ride:" + strconv.Itoa(i), Data: payload,
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			select {
			case <-done:
			case <-time.After(time.Minute):
				b.Fatalf("%d of %d delivered", delivered.Load(), want)
			}
			b.ReportMetric(float64(want)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

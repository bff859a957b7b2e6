package metrics_test

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/gateway/gatewaytest"
	"geogate/internal/bulk"
)

func TestMetricsTellOfJobs(t *testing.T) {
	first := gatewaytest.New(t)
	rdb := first.Redis.Client(t)
	master := bulk.NewMaster(rdb, bulk.NewRedisStore(rdb, ""), bulk.NewBell(bulk.RedisTransport(rdb, ""), zerolog.Nop()), bulk.Config{})
	f := first.Sibling(t, func(c *gateway.Config) { c.Jobs = master })
	f.Do(t, "POST /v2/jobs", "address\nVaduz\n", "Content-Type: text/csv")
	figures := f.Figures(t)
	for _, want := range []string{
		`geogate_jobs{state="queued"} 1`,
		`geogate_jobs{state="running"} 0`,
		`geogate_jobs_kept 1`,
		`geogate_jobs_ended_total{state="finished"} 0`,
		`geogate_jobs_rows_total{outcome="found"} 0`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(figures, "geogate_jobs_oldest_queued_seconds 0\n") || strings.Contains(figures, "geogate_jobs_kept_bytes 0\n") {
		t.Error("the job neither waits nor takes room")
	}
}

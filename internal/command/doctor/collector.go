package doctor

import (
	"context"
	"time"
)

// Collector is who takes spans.
type Collector struct {
	URL string
	// Probe sends no spans, and tells why they are not taken.
	Probe func(context.Context) error
}

// examineCollector tells whether spans are taken. Without them everything else works.
func examineCollector(ctx context.Context, c *Collector) []Finding {
	if c == nil {
		return nil
	}
	began := time.Now()
	if err := c.Probe(ctx); err != nil {
		return []Finding{{
			"traces", Warned, c.URL + ": " + err.Error(),
			"check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS, and that the collector takes OTLP over HTTP: port 4318, not 4317",
		}}
	}
	return []Finding{{"traces", Healthy, c.URL + " takes spans, in " + time.Since(began).Round(time.Millisecond).String(), ""}}
}

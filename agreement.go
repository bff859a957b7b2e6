package main

import (
	"context"
	"fmt"
	"time"

	"geogate/internal/schema"
	"geogate/internal/webhook"
)

// sharedSettings are the settings that all processes on one Redis must have alike,
// because the script of one decides about what another one keeps there.
func sharedSettings(cfg Config) map[string]string {
	long := func(d duration) string { return time.Duration(d).String() }
	return map[string]string{
		"DISPATCH_TIMEOUT":       long(cfg.DispatchTimeout),
		"DISPATCH_INTERVAL":      long(cfg.DispatchInterval),
		"DISPATCH_RADII_KM":      fmt.Sprint([]float64(cfg.DispatchRadii)),
		"DISPATCH_OFFER_TTL":     long(cfg.DispatchOfferTTL),
		"DISPATCH_MAX_PER_RIDER": fmt.Sprint(cfg.DispatchMaxPerRider),
		"DISPATCH_MAX_RIDES":     fmt.Sprint(cfg.DispatchMaxRides),
		"DISPATCH_RETENTION":     long(cfg.DispatchRetention),
		"DISPATCH_RIDE_TTL":      long(cfg.DispatchRideTTL),
		"DRIVER_TTL":             long(cfg.DriverTTL),
		"JOBS_STORE":             string(cfg.JobsStore),
		"WEBHOOK_RETRIES":        webhook.Schedule(cfg.WebhookRetries).String(),
	}
}

// runWatch runs w, and calls stop when this release must not work on what is in Redis.
func runWatch(ctx context.Context, w *schema.Watch, stop func()) error {
	err := w.Run(ctx)
	if err != nil {
		stop()
	}
	return err
}

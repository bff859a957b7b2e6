package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"geogate/internal/routing"
	"geogate/internal/schema"
)

// sharedSettings are the settings that all processes on one Redis must have alike,
// because the script of one decides about what another one keeps there.
func sharedSettings(cfg settings) map[string]string {
	return map[string]string{
		"DISPATCH_TIMEOUT":       cfg.DispatchTimeout.String(),
		"DISPATCH_INTERVAL":      cfg.DispatchInterval.String(),
		"DISPATCH_RADII_KM":      fmt.Sprint([]float64(cfg.DispatchRadii)),
		"DISPATCH_OFFER_TTL":     cfg.DispatchOfferTTL.String(),
		"REGIONS":                strings.Join(cfg.Regions, ","),
		"REGIONS_FILE":           cfg.places.Digest(),
		"ROUTER":                 kindsOf(cfg.routers),
		"DISPATCH_MAX_DRIVERS":   fmt.Sprint(cfg.DispatchMaxDrivers),
		"DISPATCH_MAX_PER_RIDER": fmt.Sprint(cfg.DispatchMaxPerRider),
		"DISPATCH_MAX_RIDES":     fmt.Sprint(cfg.DispatchMaxRides),
		"DISPATCH_RETENTION":     cfg.DispatchRetention.String(),
		"DISPATCH_RIDE_TTL":      cfg.DispatchRideTTL.String(),
		"DISPATCH_LEAD":          cfg.DispatchLead.String(),
		"DISPATCH_LOST_AFTER":    cfg.DispatchLostAfter.String(),
		"DRIVER_TTL":             cfg.DriverTTL.String(),
		"FLEET_KEY":              digestOf(string(cfg.FleetKey)),
		"JOBS_STORE":             string(cfg.JobsStore),
		"WEBHOOK_RETRIES":        fmt.Sprint(cfg.WebhookRetries),
	}
}

// digestOf tells secrets apart without showing them; empty: there is none.
func digestOf(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:4])
}

// kindsOf are the kinds of routing engines: not their addresses, which each process may
// have its own of.
func kindsOf(routers []routing.Spec) string {
	kinds := make([]string, len(routers))
	for i, s := range routers {
		kinds[i] = s.Kind
	}
	return strings.Join(kinds, ",")
}

// migrations lead from older versions of what is in Redis. What version 2 added
// comes by itself as drivers report, what version 3 added as rides go on, and the lists of
// version 4 with the next change of a ride or driver.
var migrations = []schema.Step{{From: 1, Do: nothing}, {From: 2, Do: nothing}, {From: 3, Do: nothing}}

func nothing(context.Context, redis.UniversalClient) (more bool, err error) { return false, nil }

// watching runs w, and calls refuse when this release must not work on what is
// in Redis.
func watching(w *schema.Watch, refuse func()) func(context.Context) error {
	return func(ctx context.Context) error {
		err := w.Run(ctx)
		if err != nil {
			refuse()
		}
		return err
	}
}

// onceChecked holds run back until w knows that what is in Redis fits this
// release.
func onceChecked(w *schema.Watch, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-w.Checked():
			return run(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

package dispatch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// DefaultRegion is the region of everything that names none.
const DefaultRegion = "default"

// tokenLen is the length of crypto/rand.Text: 26 base32 characters, 130 bits.
const tokenLen = 26

// newRideID returns an unguessable id that begins with the region, so that whoever
// is shown it later knows the slot of Redis Cluster to look in.
func newRideID(region string) string {
	return region + "." + strings.ToLower(rand.Text())
}

// regionOfRide returns the region of a ride id, and false for what cannot be one.
func regionOfRide(id string) (string, bool) {
	region, token, ok := strings.Cut(id, ".")
	if !ok || checkRegion(region) != nil || len(token) != tokenLen || !isAlphanumeric(token) {
		return "", false
	}
	return region, true
}

// splitOfferID returns the ride and the token of an offer id, which is both joined.
func splitOfferID(id string) (ride, token string, ok bool) {
	i := strings.LastIndexByte(id, '.')
	if i < 0 {
		return "", "", false
	}
	ride, token = id[:i], id[i+1:]
	_, ok = regionOfRide(ride)
	return ride, token, ok && len(token) == 40 && isAlphanumeric(token)
}

func isAlphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func checkRegion(region string) *InputError {
	ok := region != "" && len(region) <= MaxRegionLen
	for i, c := range []byte(region) {
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && (c == '-' || c == '_'))
	}
	if !ok {
		return &InputError{CodeInvalidRegion, fmt.Sprintf("region is 1 to %d of a-z, 0-9, - and _, and begins with a letter or digit", MaxRegionLen)}
	}
	return nil
}

func orDefault(region string) string {
	if region == "" {
		return DefaultRegion
	}
	return region
}

// prefix begins every key of a region and holds its hash tag.
func prefix(region string) string { return "geogate:{" + region + "}" }

// digest names a subject's idempotency key in Redis: clients choose those freely and
// long. Keys without a subject are named as they were in releases that knew none.
func digest(subject, key string) string {
	if key == "" {
		return ""
	}
	if subject != "" {
		key = subject + "\n" + key // neither has a line break
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// useRegion makes sure that the region is registered before anything is stored in
// it: Run of every process works the registered ones.
func (e *Engine) useRegion(ctx context.Context, region string) error {
	e.mu.Lock()
	known := e.regions[region]
	e.mu.Unlock()
	if known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	ok, err := regionScript.Run(ctx, e.rdb, []string{regionsKey}, region, maxRegions).Int()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if ok == 0 {
		return &InputError{CodeInvalidRegion, fmt.Sprintf("there are %d regions already", maxRegions)}
	}
	e.mu.Lock()
	e.regions[region] = true
	e.mu.Unlock()
	return nil
}

// allRegions returns the registered regions, the default one first.
func (e *Engine) allRegions(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.RedisTimeout)
	defer cancel()
	stored, err := e.rdb.SMembers(ctx, regionsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	slices.Sort(stored)
	all := []string{DefaultRegion}
	for _, region := range stored {
		if region != DefaultRegion && checkRegion(region) == nil {
			all = append(all, region)
		}
	}
	return all, nil
}

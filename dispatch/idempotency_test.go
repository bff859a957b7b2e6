package dispatch_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
)

func TestIdempotencyKey(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ask := dispatch.RideRequest{Pickup: santiago, IdempotencyKey: "k {*}", Fingerprint: "body"}
		first, err := e.Request(ctx, ask)
		if err != nil {
			t.Fatal(err)
		}
		again, err := e.Request(ctx, ask)
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("Request again: %v, difference\n%s", err, diff)
		}
		other := ask
		other.Fingerprint = "another body"
		if _, err := e.Request(ctx, other); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("same key, other body: %v, want key reused", err)
		}
		if _, err := e.Cancel(ctx, first.ID, ""); err != nil {
			t.Fatal(err)
		}
		if again, err = e.Request(ctx, ask); err != nil || again.ID != first.ID || again.State != dispatch.Cancelled {
			t.Errorf("Request after the end = %+v, %v, want the ride that has ended", again, err)
		}
		if ttl := rdb.TTL(ctx, "geogate:{default}:ride:"+first.ID).Val(); ttl <= 0 {
			t.Errorf("an ended ride stays for %s", ttl)
		}
		for _, key := range keys(t, rdb) {
			if strings.HasPrefix(key, "geogate:{default}:idem:") && rdb.TTL(ctx, key).Val() <= 0 {
				t.Errorf("%s stays though its ride has ended", key)
			}
		}
	})
}

func TestAnIdempotencyKeyIsItsSubjectsOwn(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		ids := make(map[string]string)
		for _, subject := range []string{"ann", "bob", ""} {
			ask := dispatch.RideRequest{Pickup: santiago, Subject: subject, IdempotencyKey: "k", Fingerprint: "body"}
			claim, ride, err := e.ClaimKey(t.Context(), "", subject, "k", "body")
			if err != nil || ride != nil {
				t.Fatalf("ClaimKey for %q = %+v, %v, want a claim", subject, ride, err)
			}
			ask.Claim = claim
			made, err := e.Request(t.Context(), ask)
			if err != nil || ids[made.ID] != "" {
				t.Errorf("%q got the ride of %q, %v", subject, ids[made.ID], err)
			}
			ids[made.ID] = subject + " "
		}
	})
}

func TestIdempotencyKeyUnderConcurrency(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		e := dispatch.New(rdb, dispatch.Config{})
		var mu sync.Mutex
		ids := make(map[string]bool)
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				ride, err := e.Request(t.Context(), dispatch.RideRequest{Pickup: santiago, IdempotencyKey: "one", Fingerprint: "f"})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[ride.ID] = true
			})
		}
		group.Wait()
		if len(ids) != 1 {
			t.Errorf("%d rides for one key, want 1", len(ids))
		}
	})
}

func TestClaimKey(t *testing.T) {
	onEachStore(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		e := dispatch.New(rdb, dispatch.Config{})
		ask := dispatch.RideRequest{Pickup: santiago, IdempotencyKey: "k", Fingerprint: "f"}

		claim, ride, err := e.ClaimKey(ctx, "", "", "k", "f")
		if err != nil || ride != nil || claim == "" {
			t.Fatalf("ClaimKey = %q, %v, %v, want a claim", claim, ride, err)
		}
		if _, _, err := e.ClaimKey(ctx, "", "", "k", "f"); !errors.Is(err, dispatch.ErrKeyInFlight) {
			t.Errorf("ClaimKey of a claimed key: %v, want in flight", err)
		}
		if _, _, err := e.ClaimKey(ctx, "", "", "k", "g"); !errors.Is(err, dispatch.ErrKeyReused) {
			t.Errorf("ClaimKey with another body: %v, want reused", err)
		}
		if _, err := e.Request(ctx, ask); !errors.Is(err, dispatch.ErrKeyInFlight) {
			t.Errorf("Request without the claim: %v, want in flight", err)
		}
		if err := e.DropKey(ctx, "", "", "k", "not the claim"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.ClaimKey(ctx, "", "", "k", "f"); !errors.Is(err, dispatch.ErrKeyInFlight) {
			t.Errorf("a claim was dropped by somebody else: %v", err)
		}
		if err := e.DropKey(ctx, "", "", "k", claim); err != nil {
			t.Fatal(err)
		}
		if ask.Claim, _, err = e.ClaimKey(ctx, "", "", "k", "f"); err != nil {
			t.Fatalf("ClaimKey after DropKey: %v", err)
		}
		made, err := e.Request(ctx, ask)
		if err != nil {
			t.Fatal(err)
		}
		if _, ride, err = e.ClaimKey(ctx, "", "", "k", "f"); err != nil || ride == nil || ride.ID != made.ID {
			t.Errorf("ClaimKey after the request = %v, %v, want its ride", ride, err)
		}
		// A late DropKey must not take the key from the ride.
		if err := e.DropKey(ctx, "", "", "k", ask.Claim); err != nil {
			t.Fatal(err)
		}
		if again, err := e.Request(ctx, ask); err != nil || again.ID != made.ID {
			t.Errorf("Request again = %+v, %v, want the same ride", again, err)
		}
	})
}

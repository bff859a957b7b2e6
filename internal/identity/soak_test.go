package identity

import (
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/pause"
	"geogate/internal/redistest"
)

// soak runs the proofs at full length: make soak.
var soak = flag.Bool("soak", false, "run the long versions of the proofs")

// A thousand keys, each revoked at any moment on one of three processes, are refused on
// all of them within two seconds.
func TestSoakRevocations(t *testing.T) {
	if !*soak {
		t.Skip("takes half a minute: make soak")
	}
	const tries, atATime, limit = 1000, 25, 2 * time.Second
	server := redistest.Start(t)
	processes := make([]*Keys, 3)
	for i := range processes {
		processes[i] = NewKeys(server.Client(t), zerolog.Nop())
		running(t, processes[i].Run)
	}
	type key struct{ text, id string }
	keys := make(chan key, tries)
	for range tries {
		text, id := operator(t, processes[0])
		for _, k := range processes {
			if _, err := k.identify(t.Context(), text); err != nil {
				t.Fatalf("identify = %v", err)
			}
		}
		keys <- key{text, id}
	}
	close(keys)

	var mu sync.Mutex
	var took []time.Duration
	var hands sync.WaitGroup
	for range atATime {
		hands.Go(func() {
			for next := range keys {
				_ = pause.For(t.Context(), rand.N(time.Second)) // at any moment between two looks
				if err := processes[rand.IntN(len(processes))].Revoke(t.Context(), next.id); err != nil {
					t.Errorf("Revoke = %v", err)
					continue
				}
				revoked := time.Now()
				for _, k := range processes {
					for {
						_, err := k.identify(t.Context(), next.text)
						if errors.Is(err, ErrInvalid) {
							break
						}
						if time.Since(revoked) > 10*limit || pause.For(t.Context(), 2*time.Millisecond) != nil {
							t.Errorf("a revoked key is still known: %v", err)
							return
						}
					}
				}
				mu.Lock()
				took = append(took, time.Since(revoked))
				mu.Unlock()
			}
		})
	}
	hands.Wait()
	slices.Sort(took)
	if len(took) < tries {
		t.Fatalf("%d keys were refused everywhere, want %d", len(took), tries)
	}
	t.Logf("refused everywhere after %s, 99 %% of them %s, at most %s", took[tries/2], took[tries*99/100], took[tries-1])
	if took[tries-1] > limit {
		t.Errorf("refused everywhere after %s, want %s", took[tries-1], limit)
	}
}

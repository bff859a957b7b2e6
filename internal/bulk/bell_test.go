package bulk

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/hub"
)

// Workers are woken; they do not have to look for work.
func TestWorkersAreWoken(t *testing.T) {
	deliver, subscribed := make(chan func(string), 1), make(chan struct{})
	byHand := Transport{
		Publish: func(context.Context, string) error { return nil },
		Subscribe: func(ctx context.Context, d func(string)) error {
			deliver <- d
			close(subscribed)
			<-ctx.Done()
			return nil
		},
	}
	w := newWorld(t)
	bells := map[string]*Bell{"redis": w.bell, "any other bus": NewBell(byHand, zerolog.Nop())}
	asynctest.Background(t, bells["any other bus"].Run)
	<-subscribed
	byOther := <-deliver
	for name, bell := range bells {
		t.Run(name, func(t *testing.T) {
			every, stop := bell.listen(hub.Any)
			defer stop()
			one, stopOne := bell.listen("an id")
			defer stopOne()
			other, stopOther := bell.listen("another id")
			defer stopOther()
			again := time.NewTicker(20 * time.Millisecond) // until the subscription stands
			defer again.Stop()
			for deadline := time.After(patience); ; {
				if name == "redis" {
					w.bell.ring(t.Context(), "an id")
				} else {
					byOther("an id")
				}
				select {
				case <-one:
					<-every
					if len(other) > 0 {
						t.Error("who listens to another job was woken")
					}
					return
				case <-again.C:
				case <-deadline:
					t.Fatal("not woken")
				}
			}
		})
	}
}

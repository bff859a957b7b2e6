package budget

import (
	"testing"
	"testing/synctest"
	"time"
)

// A call that a person comes to wait for need not wait as the others of its
// lane, wherever in the queue it is.
func TestRaisedCallsGoWithPeople(t *testing.T) {
	for _, place := range []string{"first in its lane", "behind another one", "raised before it comes"} {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := Limits{Burst: 1, BulkInterval: time.Hour}
				b := newBudget(l, newLocalGate(l))
				acquire := func(raised chan struct{}, got chan<- error) {
					release, err := b.Acquire(WithRaised(t.Context(), raised), Bulk, time.Now().Add(2*time.Hour))
					if err == nil {
						release()
					}
					got <- err
				}
				done := make(chan error, 3)
				acquire(nil, done) // the one that bulk has for the hour
				<-done
				if place == "behind another one" {
					go acquire(nil, done)
					synctest.Wait()
				}
				raised, got := make(chan struct{}), make(chan error, 1)
				if place == "raised before it comes" {
					close(raised)
				}
				start := time.Now()
				go acquire(raised, got)
				synctest.Wait()
				if place != "raised before it comes" {
					close(raised)
				}
				if err := <-got; err != nil || time.Since(start) > time.Second {
					t.Errorf("granted after %v, %v, want at once", time.Since(start), err)
				}
				if place == "behind another one" {
					<-done
				}
			})
		})
	}
}

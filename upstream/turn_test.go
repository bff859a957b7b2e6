package upstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// hangs until its caller gives up, or for a time.
func hangs(most time.Duration) func(context.Context) (Answer, error) {
	return func(ctx context.Context) (Answer, error) {
		ctx, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		<-ctx.Done()
		return Answer{}, &Error{Kind: ErrTimeout, Err: ctx.Err()}
	}
}

// A member that hangs leaves the next its time to wait for budget and to answer.
func TestEachMemberHasItsTurn(t *testing.T) {
	answersIn := func(d time.Duration) func(context.Context) (Answer, error) {
		return func(ctx context.Context) (Answer, error) {
			select {
			case <-time.After(d):
				return Answer{Outcome: Found}, nil
			case <-ctx.Done():
				return Answer{}, &Error{Kind: ErrTimeout, Err: ctx.Err()}
			}
		}
	}
	const forever = time.Hour
	tests := []struct {
		name   string
		within time.Duration // of the caller; 0: any
		do     []func(context.Context) (Answer, error)
		want   int // who answers
		took   time.Duration
	}{
		{"the first hangs for the whole wait", 0, []func(context.Context) (Answer, error){hangs(DefaultWait), says(Found)}, 1, DefaultWait},
		{"the fallback is slow, too", 0, []func(context.Context) (Answer, error){hangs(DefaultWait), answersIn(4 * time.Second)}, 1, 9 * time.Second},
		{"the first may take all but the last chance", 0, []func(context.Context) (Answer, error){hangs(forever), says(Found)}, 1, patience - lastChance},
		{"of three", 0, []func(context.Context) (Answer, error){hangs(forever), hangs(forever), says(Found)}, 2, patience - lastChance},
		{"slow, and alone", 0, []func(context.Context) (Answer, error){answersIn(28 * time.Second)}, 0, 28 * time.Second},
		{"little time", 4 * time.Second, []func(context.Context) (Answer, error){hangs(forever), says(Found)}, 1, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.within > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.within)
					defer cancel()
				}
				var specs []Spec
				var members []*scripted
				for i, do := range tt.do {
					specs = append(specs, Spec{Name: string(rune('a' + i)), Rate: Rate{Calls: 1, Per: time.Second}})
					members = append(members, &scripted{do: do})
				}
				began := time.Now()
				a, err := scriptedChain(specs, members...).Geocode(ctx, searchRequest(t), People)
				if err != nil || a.Rank != tt.want {
					t.Errorf("Geocode = %+v, %v; want the answer of member %d", a, err, tt.want)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

// When the first is too slow and the next has no budget, the first one's error
// is told, however long the queue for the next is.
func TestFirstErrorIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &scripted{do: hangs(time.Second)}, &scripted{do: says(Found)}
		c := scriptedChain([]Spec{{Name: "first"}, {Name: "second", Rate: Rate{Calls: 1, Per: time.Hour}}}, first, second)
		if a, err := c.Geocode(t.Context(), searchRequest(t), People); err != nil || a.Rank != 1 {
			t.Fatalf("Geocode = %+v, %v, want the fallback's answer", a, err)
		}
		_, err := c.Geocode(t.Context(), searchRequest(t), People)
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("without budget for the fallback: %v, want the first one's %v", err, ErrTimeout)
		}
		if n := second.count(); n != 1 {
			t.Errorf("the fallback was asked %d times, want once", n)
		}
	})
}

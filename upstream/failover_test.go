package upstream

import (
	"context"
	"errors"
	"testing"
)

func TestChainFailover(t *testing.T) {
	type do = func(context.Context) (Answer, error)
	tests := []struct {
		name          string
		onEmptyNext   bool
		first, second do
		want          Outcome
		wantErr       error
		fallback      bool
		secondCalls   int
	}{
		{"first answers", false, says(Found), says(Found), Found, nil, false, 0},
		{"first refuses", false, says(Refused), says(Found), Refused, nil, false, 0},
		{"first knows nothing", false, says(Empty), says(Found), Empty, nil, false, 0},
		{"first knows nothing, ask on", true, says(Empty), says(Found), Found, nil, true, 1},
		{"nobody knows", true, says(Empty), says(Empty), Empty, nil, false, 1},
		{"first knows nothing, second fails", true, says(Empty), fails(ErrTimeout, 0), Empty, nil, false, 1},
		{"first knows nothing, second refuses", true, says(Empty), says(Refused), Empty, nil, false, 1},
		{"first throttled", false, fails(ErrThrottled, 0), says(Found), Found, nil, true, 1},
		{"first unavailable", false, fails(ErrUnavailable, 0), says(Found), Found, nil, true, 1},
		{"first unavailable, second knows nothing", false, fails(ErrUnavailable, 0), says(Empty), "", ErrUnavailable, false, 1},
		{"first unavailable, second refuses", false, fails(ErrUnavailable, 0), says(Refused), "", ErrUnavailable, false, 1},
		{"first slow, second without budget", false, fails(ErrTimeout, 0), fails(ErrBudget, 0), "", ErrTimeout, false, 1},
		{"first without budget", false, fails(ErrBudget, 0), says(Found), "", ErrBudget, false, 0},
		{"first slow", false, fails(ErrTimeout, 0), says(Found), Found, nil, true, 1},
		{"first talks nonsense", false, fails(ErrInvalidAnswer, 0), says(Found), Found, nil, true, 1},
		{"both fail", false, fails(ErrTimeout, 0), fails(ErrUnavailable, 0), "", ErrTimeout, false, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first, second := &scripted{do: tt.first}, &scripted{do: tt.second}
			c := scriptedChain([]Spec{{Name: "first", OnEmptyNext: tt.onEmptyNext}, {Name: "second"}}, first, second)
			a, err := c.Geocode(t.Context(), searchRequest(t), People)
			if a.Outcome != tt.want || a.Fallback() != tt.fallback || !errors.Is(err, tt.wantErr) {
				t.Errorf("Geocode = %+v, %v; want outcome %q, fallback %v, error %v", a, err, tt.want, tt.fallback, tt.wantErr)
			}
			if n := second.count(); n != tt.secondCalls {
				t.Errorf("the second was asked %d times, want %d", n, tt.secondCalls)
			}
		})
	}
}

// An answer says why the providers before it had none.
func TestFailoverSaysWhy(t *testing.T) {
	type do = func(context.Context) (Answer, error)
	failing := fails(ErrTimeout, 0)
	tests := []struct {
		name string
		do   [3]do
		want Outcome
		from string
		why  After
	}{
		{"the first choice", [3]do{says(Found)}, Found, "a", AfterNothing},
		{"the others know no more", [3]do{says(Empty), says(Empty), says(Empty)}, Empty, "a", AfterNothing},
		{"the others fail", [3]do{says(Empty), failing, failing}, Empty, "a", AfterNothing},
		{"after an empty answer", [3]do{says(Empty), says(Found)}, Found, "b", AfterEmpty},
		{"after an error", [3]do{failing, says(Found)}, Found, "b", AfterError},
		{"nothing in all after an error", [3]do{says(Empty), failing, says(Empty)}, Empty, "a", AfterNothing},
		{"an error weighs more", [3]do{says(Empty), failing, says(Found)}, Found, "c", AfterError},
		{"in either order", [3]do{failing, says(Empty), says(Found)}, Found, "c", AfterError},
		{"after two empty answers", [3]do{says(Empty), says(Empty), says(Found)}, Found, "c", AfterEmpty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			providers := make([]*scripted, len(tt.do))
			for i, do := range tt.do {
				name := string(rune('a' + i))
				providers[i] = &scripted{do: func(ctx context.Context) (Answer, error) {
					if do == nil {
						return Answer{}, errors.New("asked although the matter was settled")
					}
					a, err := do(ctx)
					a.Provider = name
					return a, err
				}}
			}
			specs := []Spec{{Name: "a", OnEmptyNext: true}, {Name: "b", OnEmptyNext: true}, {Name: "c", OnEmptyNext: true}}
			got, err := scriptedChain(specs, providers...).Geocode(t.Context(), searchRequest(t), People)
			if err != nil || got.Outcome != tt.want || got.Provider != tt.from || got.After != tt.why {
				t.Errorf("Geocode = %s by %q after %q, %v; want %s by %q after %q",
					got.Outcome, got.Provider, got.After, err, tt.want, tt.from, tt.why)
			}
		})
	}
}

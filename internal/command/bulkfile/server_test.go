package bulkfile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"geogate/internal/command/remote"
)

func TestPersist(t *testing.T) {
	broken := errors.New("connection reset")
	type outcome struct {
		done, heard bool
		err         error
	}
	tests := []struct {
		name  string
		steps []outcome // the last one goes on
		want  error
		took  time.Duration
	}{
		{"done at once", []outcome{{true, true, nil}}, nil, 0},
		{"done later", []outcome{{false, true, nil}, {false, true, nil}, {true, true, nil}}, nil, 2 * followEvery},
		{"an error that passes", []outcome{{false, false, broken}, {true, true, nil}}, nil, followEvery},
		{"an error that lasts", []outcome{{false, false, broken}}, broken, serverPatience + followEvery},
		{"heard of in between", []outcome{{false, false, broken}, {false, true, broken}, {false, false, broken}}, broken, serverPatience + 2*followEvery},
		{"limited", []outcome{{false, false, &remote.StatusError{Status: 429}}, {true, true, nil}}, nil, followEvery},
		{"no such job", []outcome{{false, false, errNoJob}}, errNoJob, 0},
		{"done, and failed", []outcome{{true, true, broken}}, broken, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, n := time.Now(), 0
				err := persist(t.Context(), func() (bool, bool, error) {
					o := tt.steps[min(n, len(tt.steps)-1)]
					n++
					return o.done, o.heard, o.err
				})
				if took := time.Since(start); !errors.Is(err, tt.want) || took != tt.took {
					t.Errorf("persist = %v after %s, want %v after %s", err, took, tt.want, tt.took)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := persist(ctx, func() (bool, bool, error) { return false, true, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("persist after the end of its context = %v", err)
	}
}

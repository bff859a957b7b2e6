package command

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// countedWrites tells how often it was written to.
type countedWrites struct {
	bytes.Buffer
	n int
}

func (c *countedWrites) Write(p []byte) (int, error) {
	c.n++
	return c.Buffer.Write(p)
}

func TestLogLinesAreGathered(t *testing.T) {
	tests := []struct {
		name   string
		write  func(zerolog.Logger)
		writes int // at once
		lines  int // in them
	}{
		{"a line", func(l zerolog.Logger) { l.Info().Msg("a") }, 0, 0},
		{"a warning takes what precedes it along", func(l zerolog.Logger) {
			l.Info().Msg("a")
			l.Warn().Msg("b")
		}, 1, 2},
		{"an error", func(l zerolog.Logger) { l.Error().Msg("a") }, 1, 1},
		{"a line without a level", func(l zerolog.Logger) { l.Log().Msg("a") }, 1, 1},
		{"more than the buffer holds", func(l zerolog.Logger) {
			for range 40 {
				l.Info().Msg(strings.Repeat("a", 1024))
			}
		}, 1, 32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out countedWrites
				buffer, flush := gatherLines(&out)
				log := zerolog.New(buffer)
				tt.write(log)
				if lines := strings.Count(out.String(), "\n"); out.n != tt.writes || lines != tt.lines {
					t.Errorf("%d lines in %d writes at once, want %d in %d", lines, out.n, tt.lines, tt.writes)
				}
				log.Info().Msg("last")
				<-time.After(2 * logDelay) // of the bubble's clock
				synctest.Wait()
				if !strings.HasSuffix(out.String(), "\"last\"}\n") {
					t.Errorf("the last line is not there after %s: %q", 2*logDelay, out.String())
				}
				log.Info().Msg("at the end")
				flush()
				if !strings.HasSuffix(out.String(), "\"at the end\"}\n") {
					t.Error("flush did not write the last line")
				}
			})
		})
	}
}

package gossip

import (
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Warnings of the library are bounded, because whoever reaches the port causes them.
const (
	warnings       = 5
	warningsPeriod = time.Minute
)

// libraryLog takes what the library logs, a line in each write: its errors and warnings
// are warnings, because it goes on after all of them, and the rest is for whoever looks
// closely.
type libraryLog struct{ warn, debug zerolog.Logger }

func newLibraryLog(to zerolog.Logger) *libraryLog {
	return &libraryLog{
		warn:  to.Sample(&zerolog.BurstSampler{Burst: warnings, Period: warningsPeriod}),
		debug: to,
	}
}

// Write implements io.Writer.
func (l *libraryLog) Write(line []byte) (int, error) {
	before, text, _ := strings.Cut(strings.TrimSpace(string(line)), " memberlist: ")
	if strings.HasSuffix(before, "[ERR]") || strings.HasSuffix(before, "[WARN]") {
		l.warn.Warn().Str("detail", text).Msg("gossip")
	} else {
		l.debug.Debug().Str("detail", text).Msg("gossip")
	}
	return len(line), nil
}

package command

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/config"
	"geogate/internal/terminal"
)

// newLogger writes to w: text for people at a terminal, JSON for machines.
func newLogger(cfg config.Config, w io.Writer) zerolog.Logger {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	if logsText(cfg, w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !terminal.Is(w), FieldsOrder: readingOrder}
	}
	return zerolog.New(w).Level(cfg.LogLevel).With().Timestamp().Logger()
}

// logsText reports whether a log on w is for people.
func logsText(cfg config.Config, w io.Writer) bool {
	return cfg.LogFormat == "text" || cfg.LogFormat == "auto" && terminal.Is(w)
}

// readingOrder puts what people look for first on a line, because a terminal may cut
// or wrap its end. Fields that are not in it follow.
var readingOrder = []string{"status", "method", "route", "dur_ms", "cache", "upstream", "err"}

// gatherLines puts a buffer before w, unless somebody is watching. Call flush at
// the end.
func gatherLines(w io.Writer) (out io.Writer, flush func()) {
	if terminal.Is(w) {
		return w, func() {}
	}
	b := newLogBuffer(w)
	return b, b.flushAll
}

const (
	logBufferSize = 32 << 10
	// logDelay is how late a line may be written. A process that is killed
	// loses the lines of that time.
	logDelay = 100 * time.Millisecond
)

// logBuffer gathers the lines of the access log, because a system call for each
// line costs as much as everything else in a cached answer (ADR 0071). A warning
// or worse is written at once, with all lines before it. It is safe for
// concurrent use.
type logBuffer struct {
	out io.Writer

	mu      sync.Mutex
	lines   []byte
	pending *time.Timer // flushes; nil: none since the last flush
}

func newLogBuffer(out io.Writer) *logBuffer {
	return &logBuffer{out: out, lines: make([]byte, 0, logBufferSize)}
}

// WriteLevel implements zerolog.LevelWriter; line is a whole one.
func (b *logBuffer) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line...)
	if level >= zerolog.WarnLevel || len(b.lines) >= logBufferSize {
		return len(line), b.flush()
	}
	if b.pending == nil {
		b.pending = time.AfterFunc(logDelay, b.flushAll)
	}
	return len(line), nil
}

// Write implements io.Writer, for lines without a level.
func (b *logBuffer) Write(line []byte) (int, error) { return b.WriteLevel(zerolog.NoLevel, line) }

// flushAll writes what has been gathered. A log that cannot be written has
// nowhere to say so.
func (b *logBuffer) flushAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.flush()
}

func (b *logBuffer) flush() error {
	if b.pending != nil {
		b.pending.Stop()
		b.pending = nil
	}
	if len(b.lines) == 0 {
		return nil
	}
	_, err := b.out.Write(b.lines)
	b.lines = b.lines[:0]
	return err
}

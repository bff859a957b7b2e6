package schema

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/lua"
	"geogate/internal/pause"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

var noteScript = lua.Load(scriptFiles, "clock", "note")

const (
	// noteEvery is how often a process notes its settings and reads the others'.
	noteEvery = 10 * time.Second
	// noteLife is how long a process counts as running after its last note.
	noteLife = 3 * noteEvery
	// opTimeout bounds one call to Redis.
	opTimeout = 1500 * time.Millisecond
	// partingTimeout bounds the last call of Run.
	partingTimeout = 500 * time.Millisecond
	// versionSetting is the name under which the version itself is compared.
	versionSetting = "schema version"
)

// Watch is one process's part in the agreement. Its methods may be called
// concurrently.
type Watch struct {
	rdb      redis.UniversalClient
	settings map[string]string
	log      zerolog.Logger
	steps    []Step
	process  string
	checked  chan struct{} // closed when the version fits

	mu        sync.Mutex
	elsewhere map[string][]string // values of other processes, by setting that differs here
}

// NewWatch returns the watch of a process with settings, by the names that people
// know them by. Their values are shown to operators: no secrets. It starts nothing
// and does not call Redis.
func NewWatch(rdb redis.UniversalClient, settings map[string]string, log zerolog.Logger, steps ...Step) *Watch {
	own := map[string]string{versionSetting: strconv.Itoa(Version)}
	maps.Copy(own, settings)
	return &Watch{
		rdb: rdb, settings: own, log: log, steps: steps,
		process: processName(), checked: make(chan struct{}),
	}
}

func processName() string { return strings.ToLower(rand.Text()) }

// Checked is closed when the version in Redis was found to fit.
func (w *Watch) Checked() <-chan struct{} { return w.checked }

// Run checks the version as soon as Redis answers, and returns ErrRefused, with
// what to do about it, when this release must not work on what is there. From then
// on it compares settings with those of other processes, until ctx ends; then it
// returns nil. It must be called once.
func (w *Watch) Run(ctx context.Context) error {
	retry := pause.NewGrowing(50*time.Millisecond, 500*time.Millisecond)
	for {
		err := Check(ctx, w.rdb, w.steps...)
		if err == nil {
			break
		}
		if errors.Is(err, ErrRefused) {
			return err
		}
		w.log.Debug().Err(err).Msg("schema not checked yet")
		if retry.Wait(ctx) != nil {
			return nil
		}
	}
	close(w.checked)
	defer w.leave(context.WithoutCancel(ctx))
	for {
		if err := w.compare(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug().Err(err).Msg("settings not compared")
		}
		if pause.For(ctx, pause.Around(noteEvery, 0.2)) != nil {
			return nil
		}
	}
}

// Disagreements says which settings other processes have other values of, a line
// each, as of the last time that Redis answered. None: nil.
func (w *Watch) Disagreements() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(w.elsewhere)) {
		lines = append(lines, fmt.Sprintf("%s is %s here and %s elsewhere",
			name, w.settings[name], strings.Join(w.elsewhere[name], ", ")))
	}
	return lines
}

// compare notes the settings of this process and looks at the others'. A Redis
// that was emptied gets its version back.
func (w *Watch) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := w.rdb.SetNX(ctx, versionKey, Version, 0).Err(); err != nil {
		return fmt.Errorf("note schema: %w", err)
	}
	text, err := json.Marshal(w.settings)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	others, err := noteScript.Run(ctx, w.rdb, []string{settingsKey}, w.process, noteLife.Milliseconds(), text).StringSlice()
	if err != nil {
		return fmt.Errorf("note settings: %w", err)
	}
	elsewhere := map[string][]string{}
	for _, other := range others {
		var settings map[string]string
		if json.Unmarshal([]byte(other), &settings) != nil {
			continue // of a release that notes them otherwise
		}
		for name, value := range settings {
			own, known := w.settings[name] // one that is not is another release's
			if known && own != value && !slices.Contains(elsewhere[name], value) {
				elsewhere[name] = append(elsewhere[name], value)
			}
		}
	}
	for _, values := range elsewhere {
		slices.Sort(values)
	}
	w.take(elsewhere)
	return nil
}

// take remembers where others differ, and logs what has changed about that.
func (w *Watch) take(elsewhere map[string][]string) {
	w.mu.Lock()
	before := w.elsewhere
	w.elsewhere = elsewhere
	w.mu.Unlock()
	for name, values := range elsewhere {
		if !slices.Equal(values, before[name]) {
			w.log.Warn().Str("setting", name).Str("here", w.settings[name]).Strs("elsewhere", values).
				Msg("processes disagree about a setting")
		}
	}
	if len(before) > 0 && len(elsewhere) == 0 {
		w.log.Info().Msg("processes agree about their settings again")
	}
}

// leave keeps a process that has ended from being disagreed with.
func (w *Watch) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, partingTimeout)
	defer cancel()
	if err := w.rdb.HDel(ctx, settingsKey, w.process).Err(); err != nil {
		w.log.Debug().Err(err).Msg("settings left to lapse")
	}
}

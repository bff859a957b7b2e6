// Package lua loads the Redis scripts that a package embeds, and holds what
// scripts of several packages share.
//
// The shared files, to be named before the files that use them:
//
//   - clock: the time of Redis as now, in Unix milliseconds, and number, which
//     writes a whole number. They need no KEYS or ARGV.
//   - lease: what taking, renewing and giving back a lease means; needs clock.
package lua

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var shared embed.FS

// Script is a script of Redis that is put together, and its hash computed, when it is first
// used: all of them at once took a sixth of a start. It is safe for concurrent use.
type Script struct{ made func() *redis.Script }

// New returns the script whose source is text. Like Text, it may panic when first used.
func New(text func() string) Script {
	return Script{sync.OnceValue(func() *redis.Script { return redis.NewScript(text()) })}
}

// Load returns the script made of the files that Text joins.
func Load(files fs.FS, names ...string) Script {
	return New(func() string { return Text(files, names...) })
}

// Run runs the script, and loads it if Redis has lost it.
func (s Script) Run(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd {
	return s.made().Run(ctx, c, keys, args...)
}

// EvalSha runs the script if Redis has it: otherwise the error begins with NOSCRIPT.
func (s Script) EvalSha(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd {
	return s.made().EvalSha(ctx, c, keys, args...)
}

// Eval runs the script as if Redis did not have it.
func (s Script) Eval(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd {
	return s.made().Eval(ctx, c, keys, args...)
}

// Load has Redis keep the script, without running it.
func (s Script) Load(ctx context.Context, c redis.Scripter) *redis.StringCmd {
	return s.made().Load(ctx, c)
}

// Hash is by what Redis knows the script.
func (s Script) Hash() string { return s.made().Hash() }

// Text returns scripts/NAME.lua for each name in turn, from files or else from
// the shared files: what other files use comes first. It panics when a file is
// missing: the files are embedded when the program is built, so the first test
// that uses the script would.
func Text(files fs.FS, names ...string) string {
	var source strings.Builder
	for _, name := range names {
		path := "scripts/" + name + ".lua"
		text, err := fs.ReadFile(files, path)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = shared.ReadFile(path)
		}
		if err != nil {
			panic(fmt.Sprintf("lua: embedded script: %v", err))
		}
		source.Write(text)
	}
	return source.String()
}

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
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var shared embed.FS

// Load returns the script made of the files that Text joins.
func Load(files fs.FS, names ...string) *redis.Script { return redis.NewScript(Text(files, names...)) }

// Text returns scripts/NAME.lua for each name in turn, from files or else from
// the shared files: what other files use comes first. It panics when a file is
// missing: the files are embedded when the program is built, so every test of
// the package would.
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

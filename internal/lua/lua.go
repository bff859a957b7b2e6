// Package lua loads the Redis scripts that a package embeds.
package lua

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Load returns the script made of scripts/NAME.lua in files, for each name in
// turn: what several scripts share comes first. It panics when a file is
// missing: the files are embedded when the program is built, so every test of
// the package would.
func Load(files fs.FS, names ...string) *redis.Script {
	var source strings.Builder
	for _, name := range names {
		text, err := fs.ReadFile(files, "scripts/"+name+".lua")
		if err != nil {
			panic(fmt.Sprintf("lua: embedded script: %v", err))
		}
		source.Write(text)
	}
	return redis.NewScript(source.String())
}

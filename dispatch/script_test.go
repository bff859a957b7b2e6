package dispatch_test

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"geogate/dispatch"
)

// A script that lacks one of the files it needs would fail only when it comes to a function
// that is missing: Lua takes an unknown name for a global.
func TestScriptsHaveWhatTheyNeed(t *testing.T) {
	given := []string{
		"ARGV", "KEYS", "_G", "cjson", "ipairs", "math", "pairs", "rawget", "redis", "string", "table", "tonumber", "unpack",
	}
	var all strings.Builder
	for _, script := range dispatch.Scripts {
		var source sourceOf
		script.Eval(t.Context(), &source, nil)
		all.WriteString(source.text)
		for _, name := range globals(t, source.text) {
			if !slices.Contains(given, name) {
				t.Errorf("the script that ends with %q does not have %q", lastLine(source.text), name)
			}
		}
	}
	files, err := fs.Glob(dispatch.ScriptFiles, "scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts = %v, %v", files, err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(dispatch.ScriptFiles, file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(all.String(), string(text)) {
			t.Errorf("%s is in none of the scripts looked at", file)
		}
	}
}

// globals returns the names that a script looks for outside itself.
func globals(t *testing.T, source string) (names []string) {
	t.Helper()
	chunk, err := parse.Parse(strings.NewReader(source), "script")
	if err != nil {
		t.Fatal(err)
	}
	main, err := lua.Compile(chunk, "script")
	if err != nil {
		t.Fatal(err)
	}
	for functions := []*lua.FunctionProto{main}; len(functions) > 0; {
		f := functions[0]
		functions = append(functions[1:], f.FunctionPrototypes...)
		for _, instruction := range f.Code {
			// The operation is in the first 6 bits, which constant it names in the last 18.
			if op := int(instruction >> 26); op == lua.OP_GETGLOBAL || op == lua.OP_SETGLOBAL {
				names = append(names, f.Constants[instruction&0x3ffff].String())
			}
		}
	}
	return names
}

// sourceOf is a Redis that keeps the script it is asked to run.
type sourceOf struct {
	redis.Scripter
	text string
}

func (s *sourceOf) Eval(ctx context.Context, script string, _ []string, _ ...any) *redis.Cmd {
	s.text = script
	return redis.NewCmd(ctx)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

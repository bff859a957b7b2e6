package lua

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/redis/go-redis/v9"
)

func TestLoad(t *testing.T) {
	files := fstest.MapFS{
		"scripts/lib.lua": {Data: []byte("local one = 1\n")},
		"scripts/add.lua": {Data: []byte("return one + 1\n")},
	}
	if got, want := Load(files, "lib", "add").Hash(), redis.NewScript("local one = 1\nreturn one + 1\n").Hash(); got != want {
		t.Errorf("Load(lib, add) has hash %s, want %s: the files joined in this order", got, want)
	}
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "missing.lua") {
			t.Errorf("Load(missing) panicked with %q, want the name of the file", v)
		}
	}()
	Load(files, "missing")
}

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
	Load(files, "missing").Hash()
}

func TestSharedFiles(t *testing.T) {
	own := fstest.MapFS{"scripts/a.lua": {Data: []byte("return now")}}
	clock, err := shared.ReadFile("scripts/clock.lua")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Load(own, "clock", "a").Hash(), redis.NewScript(string(clock)+"return now").Hash(); got != want {
		t.Errorf("Load(clock, a) has hash %s, want %s: the shared clock in front", got, want)
	}
}

package gossip

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestLibraryLog(t *testing.T) {
	var out strings.Builder
	l := newLibraryLog(zerolog.New(&out))
	for _, line := range []string{
		"2026/01/02 15:04:05 [DEBUG] memberlist: Stream connection from=127.0.0.1:1\n",
		"2026/01/02 15:04:05 [ERR] memberlist: Failed to decrypt\n",
	} {
		if n, err := fmt.Fprint(l, line); n != len(line) || err != nil {
			t.Errorf("Write(%q) = %d, %v", line, n, err)
		}
	}
	want := `{"level":"debug","detail":"Stream connection from=127.0.0.1:1","message":"gossip"}
{"level":"warn","detail":"Failed to decrypt","message":"gossip"}
`
	if out.String() != want {
		t.Errorf("the log is %s, want %s", out.String(), want)
	}
	out.Reset()
	for range 100 {
		_, _ = fmt.Fprint(l, "[WARN] memberlist: again")
	}
	if n := strings.Count(out.String(), "\n"); n >= warnings {
		t.Errorf("%d of 100 warnings were logged after the first, want less than %d", n, warnings)
	}
}

//go:build unix

package streets

import (
	"errors"
	"os"
	"testing"
	"time"

	"geogate/internal/streets/packed"
)

// TestAFileThatIsWrittenInPlaceIsNotRead cuts the open file off and writes it again,
// as cp does: questions fail until it is whole, and the process lives on.
func TestAFileThatIsWrittenInPlaceIsNotRead(t *testing.T) {
	l, path := served(t)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if err := find(t, l); !errors.Is(err, packed.ErrDamaged) {
		t.Errorf("a file that was cut off answers %v, want ErrDamaged", err)
	}
	l.Reload()
	garbage := make([]byte, len(small(t)))
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := find(t, l); !errors.Is(err, packed.ErrDamaged) {
		t.Errorf("a file that is written in place answers %v, want ErrDamaged", err)
	}
	if err := os.WriteFile(path, small(t), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file system may not tell two writings of the same moment apart.
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	l.Reload()
	if err := find(t, l); err != nil {
		t.Errorf("the file is whole again, and answers %v", err)
	}
}

package gazetteer

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// Cached answers are told apart by the version. It must change with the data.
func TestVersionIsThatOfTheData(t *testing.T) {
	g, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	got := sha256.Sum256(file)
	if want := hex.EncodeToString(got[:]); g.Version() != want {
		t.Errorf("Version() = %q, but the data is %q: run go generate ./internal/gazetteer", g.Version(), want)
	}
}

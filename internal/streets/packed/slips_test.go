package packed

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/vellum"
)

// oneSlip says by trying them all whether one slip makes b of a.
func oneSlip(a, b string) bool {
	x, y := []rune(a), []rune(b)
	for i := range x {
		if slices.Equal(slices.Delete(slices.Clone(x), i, i+1), y) {
			return true
		}
		if i+1 < len(x) {
			swapped := slices.Clone(x)
			swapped[i], swapped[i+1] = x[i+1], x[i]
			if x[i] != x[i+1] && slices.Equal(swapped, y) {
				return true
			}
		}
		if i < len(y) && len(x) == len(y) && x[i] != y[i] {
			replaced := slices.Clone(x)
			replaced[i] = y[i]
			if slices.Equal(replaced, y) {
				return true
			}
		}
	}
	for i := range y {
		if slices.Equal(slices.Delete(slices.Clone(y), i, i+1), x) {
			return true
		}
	}
	return false
}

// TestSlipsAreAllOfOneLetter compares with trying: words of few letters, of one
// to four bytes each, so that most are one or two slips apart.
func TestSlipsAreAllOfOneLetter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := []rune{'a', 'b', 'ж', 'щ', 'ѩ', '北', '匕', '𝄞'}
	word := func() string {
		var w strings.Builder
		for range 1 + r.IntN(4) {
			w.WriteRune(letters[r.IntN(len(letters))])
		}
		return w.String()
	}
	slipped := 0
	for range 50_000 {
		a, b := word(), word()
		got, want := vellum.AutomatonContains(newSlips(a), []byte(b)), oneSlip(a, b)
		if a == b {
			continue // Similar leaves the word itself out
		}
		if want {
			slipped++
		}
		if got != want {
			t.Fatalf("%q for %q is one slip away: %t, want %t", b, a, got, want)
		}
	}
	if slipped < 1000 {
		t.Fatalf("%d of the words were one slip apart: the selection is broken", slipped)
	}
}

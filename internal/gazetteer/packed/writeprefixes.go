package packed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
)

// WritePrefixes makes the index of f for [OpenPrefixes]. score ranks what a name
// leads to; mains is the name that each place is shown by, folded. The same file
// and scores give the same bytes.
func WritePrefixes(f *File, score func(Posting) float64, mains func(place int) string) ([]byte, error) {
	digest, err := hex.DecodeString(f.digest)
	if err != nil {
		return nil, fmt.Errorf("pack prefixes: %w", err)
	}
	type word struct {
		number, at int
		text       string
		score      float64
	}
	var words []word
	numbers := make(map[string]int, f.keys)
	nameTops := make([]byte, blocksOf(f.keys, blockKeys))
	names := nameReader{file: f}
	for number := range f.keys {
		names.each(number, number+1, func(name []byte, all []Posting) {
			best, shown := math.Inf(-1), math.Inf(-1)
			for _, p := range all {
				best = max(best, score(p))
				if p.Kind == Main || p.Kind == Near {
					shown = max(shown, score(p))
				}
			}
			numbers[string(name)] = number
			nameTops[number/blockKeys] = max(nameTops[number/blockKeys], keptScore(best))
			if math.IsInf(shown, -1) {
				return // nobody looks for a word of what is never shown
			}
			for at, c := range name {
				if c == ' ' && at < math.MaxUint8 {
					words = append(words, word{number, at + 1, string(name[at+1:]), shown})
				}
			}
		})
	}
	slices.SortFunc(words, func(a, b word) int {
		return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.number, b.number), cmp.Compare(a.at, b.at))
	})
	wordTops := make([]byte, blocksOf(len(words), blockWords))
	var rows bytes.Buffer
	for i, w := range words {
		wordTops[i/blockWords] = max(wordTops[i/blockWords], keptScore(w.score))
		rows.Write(binary.LittleEndian.AppendUint32(nil, uint32(w.number)<<8|uint32(w.at)))
	}
	for i := range f.Places() {
		number, found := numbers[mains(i)]
		if !found {
			return nil, fmt.Errorf("pack prefixes: no name leads to place %d", i)
		}
		rows.Write(binary.LittleEndian.AppendUint32(nil, uint32(number)))
	}
	b := append([]byte(prefixesMagic), digest...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(words)))
	return slices.Concat(b, nameTops, wordTops, rows.Bytes()), nil
}

package packed

import (
	"sync"

	"github.com/blevesearch/vellum"
	"github.com/blevesearch/vellum/levenshtein"
)

// slips builds the automata that accept a word with one letter too many, too
// few or wrong, or two neighbours swapped.
var slips = sync.OnceValues(func() (*levenshtein.LevenshteinAutomatonBuilder, error) {
	return levenshtein.NewLevenshteinAutomatonBuilder(1, true)
})

// Similar calls yield with the words of the file that are one slip away from w.
func (f *File) Similar(w string, yield func(word uint32, text string)) {
	builder, err := slips()
	if err != nil {
		return
	}
	dfa, err := builder.BuildDfa(w, 1)
	if err != nil {
		return
	}
	f.each(func() (*vellum.FSTIterator, error) { return f.words.Search(dfa, nil, nil) }, func(word uint32, text []byte) bool {
		if string(text) != w {
			yield(word, string(text))
		}
		return true
	})
}

// Beginning calls yield with the words that begin with a prefix, in their
// order, until it returns false.
func (f *File) Beginning(prefix string, yield func(word uint32) bool) {
	end := []byte(prefix + "\xff")
	f.each(func() (*vellum.FSTIterator, error) { return f.words.Iterator([]byte(prefix), end) }, func(word uint32, _ []byte) bool {
		return yield(word)
	})
}

func (f *File) each(open func() (*vellum.FSTIterator, error), yield func(word uint32, text []byte) bool) {
	it, err := open()
	for err == nil {
		text, word := it.Current()
		if !yield(uint32(word), text) {
			return
		}
		err = it.Next()
	}
}

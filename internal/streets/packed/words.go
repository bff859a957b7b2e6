package packed

import "github.com/blevesearch/vellum"

// Word finds a word's number.
func (f *File) Word(w string) (uint32, bool) {
	l, ok := f.lookups.Get().(*lookup)
	if !ok {
		reader, err := f.words.Reader()
		if err != nil {
			return 0, false
		}
		l = &lookup{reader: reader}
	}
	defer f.lookups.Put(l)
	l.key = append(l.key[:0], w...)
	v, ok, err := l.reader.Get(l.key)
	return uint32(v), ok && err == nil
}

// lookup is the memory of one look for a word.
type lookup struct {
	reader *vellum.Reader
	key    []byte
}

// Beginning calls yield with the words that begin with a prefix, in their
// order, until it returns false.
func (f *File) Beginning(prefix string, yield func(word uint32) bool) {
	f.each(nil, []byte(prefix), []byte(prefix+"\xff"), func(word uint32, _ []byte) bool { return yield(word) })
}

// each calls yield with the words from one up to another that an automaton
// accepts, nil for any, until it returns false.
func (f *File) each(accept vellum.Automaton, from, to []byte, yield func(word uint32, text []byte) bool) {
	it, ok := f.iterators.Get().(*vellum.FSTIterator)
	if !ok {
		it = &vellum.FSTIterator{}
	}
	defer f.iterators.Put(it)
	for err := it.Reset(f.words, from, to, accept); err == nil; err = it.Next() {
		text, word := it.Current()
		if !yield(uint32(word), text) {
			return
		}
	}
}

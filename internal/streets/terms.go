package streets

import (
	"math"
	"math/bits"
	"slices"
	"strings"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/words"
)

// maxTerms is the most words of a question that are looked at.
const maxTerms = 24

// term is a word of the question.
type term struct {
	text   string
	phrase int
	joined bool
	role   role
	digits bool
	// first and last are the range of its spellings.
	first, last int
	weight      float32
	docs        int // that bear the word or an alternative
}

// alt is a word of the file that stands for terms of the question.
type alt struct {
	word    uint32
	mask    uint32 // the terms
	docs    int
	slip    bool // it is spelled otherwise
	posting packed.Posting
}

// number is a house number that the question may ask for.
type number struct {
	text string
	hash uint32
	mask uint32
}

// question is what somebody asks, cut into terms: the same for every file.
type question struct {
	terms     []term
	spellings []spelling
	numbers   []number
	split     []words.Word
}

// spelling is how a term may be written in a file.
type spelling struct {
	text string
	mask uint32 // the terms; several for two that are written as one
	weak bool   // it is what is looked for as well, not instead
}

// parse cuts a question into terms.
func (x *question) parse(q *Query) {
	x.terms, x.spellings, x.numbers, x.split = x.terms[:0], x.spellings[:0], x.numbers[:0], x.split[:0]
	if q.Text != "" {
		x.addTerms(q.Text, asAny, 0)
	} else {
		x.addTerms(q.Amenity, asPOI|asStreet, 0)
		x.addTerms(q.Street, asStreet|asNumber, 1)
		x.addTerms(q.City, asArea|asContext, 2)
		x.addTerms(q.PostalCode, asArea|asContext, 3)
		x.addTerms(q.County, asArea|asContext, 4)
		x.addTerms(q.State, asArea|asContext, 5)
		x.addTerms(q.Country, asArea|asContext, 6)
	}
	x.dropNumberSigns()
	for i := range x.terms {
		x.spell(i)
	}
	for i := 0; i+1 < len(x.terms); i++ {
		x.spellJoined(i)
	}
	x.findNumbers()
}

func (x *question) addTerms(text string, r role, phrase int) {
	x.split = words.Split(x.split[:0], text)
	for _, w := range x.split {
		if len(x.terms) == maxTerms {
			return
		}
		x.terms = append(x.terms, term{text: w.Text, phrase: phrase + w.Phrase, joined: w.Joined, role: r, digits: words.Digits(w.Text)})
	}
}

// dropNumberSigns drops "Nr." and its like before a number.
func (x *question) dropNumberSigns() {
	kept := x.terms[:0]
	for i, t := range x.terms {
		next := i+1 < len(x.terms) && x.terms[i+1].digits && !x.terms[i+1].joined
		if i > 0 && next && words.NumberSign(t.text) && t.role&asNumber != 0 {
			continue
		}
		kept = append(kept, t)
	}
	x.terms = kept
}

// spell lists what a term is written as: itself, what it is short for, and a
// compound's ending spelled out.
func (x *question) spell(i int) {
	t, mask := &x.terms[i], uint32(1)<<i
	t.first = len(x.spellings)
	add := func(text string, weak bool) { x.spellings = append(x.spellings, spelling{text, mask, weak}) }
	add(t.text, false)
	for _, other := range words.Alternatives(t.text) {
		add(other, false)
	}
	if code := words.CarCodes[t.text]; code != "" {
		add(code, true)
	}
	if !t.digits {
		words.Endings(t.text, func(full string) { add(full, false) })
	}
	t.last = len(x.spellings)
}

// spellJoined reads two terms as one word: Bahnhof Strasse, Bahnhof-Str.
func (x *question) spellJoined(i int) {
	a, b := &x.terms[i], &x.terms[i+1]
	if a.digits || b.digits || a.phrase != b.phrase || len(a.text) < 2 {
		return
	}
	mask := uint32(3) << i
	x.spellings = append(x.spellings, spelling{a.text + b.text, mask, true})
	for _, other := range words.Alternatives(b.text) {
		x.spellings = append(x.spellings, spelling{a.text + other, mask, true})
	}
}

// findNumbers lists the house numbers that the terms may mean, the longest first.
func (x *question) findNumbers() {
	for i := range x.terms {
		t := &x.terms[i]
		if !t.digits || t.role&asNumber == 0 {
			continue
		}
		bit := uint32(1) << i
		if i+1 < len(x.terms) {
			next := &x.terms[i+1]
			if next.digits && next.joined {
				x.addNumber(t.text+"-"+next.text, 3<<i)
			} else if !next.digits && next.phrase == t.phrase && (len(next.text) == 1 || next.text == "bis" || next.text == "ter" || next.text == "quater") {
				x.addNumber(t.text+next.text, 3<<i)
				if next.joined {
					x.addNumber(t.text+"-"+next.text, 3<<i)
				}
			}
		}
		x.addNumber(t.text, bit)
	}
	slices.SortStableFunc(x.numbers, func(a, b number) int { return ones(b.mask) - ones(a.mask) })
}

func (x *question) addNumber(text string, mask uint32) {
	x.numbers = append(x.numbers, number{text, packed.Hash(text), mask})
}

// expand finds the words of the file that the terms may stand for.
func (s *search) expand(prefix bool) {
	s.alts = s.alts[:0]
	for i := range s.terms {
		t, bit := &s.terms[i], uint32(1)<<i
		found := false
		for _, sp := range s.spellings[t.first:t.last] {
			found = s.addWord(sp.text, bit) && !sp.weak || found
		}
		if prefix && i == len(s.terms)-1 {
			s.addBeginning(t.text, bit)
		}
		if !found && !t.digits {
			s.addTranscribed(t.text, bit)
			s.addHalves(t.text, bit)
		}
	}
	if n := len(s.terms); n > 0 {
		for _, sp := range s.spellings[s.terms[n-1].last:] {
			s.addWord(sp.text, sp.mask)
		}
	}
	s.weigh()
}

func (s *search) addWord(text string, mask uint32) bool {
	w, ok := s.file.Word(text)
	if ok {
		s.addAlt(w, mask, false)
	}
	return ok
}

func (s *search) addAlt(w, mask uint32, slip bool) {
	for i := range s.alts {
		if s.alts[i].word == w && s.alts[i].mask == mask {
			return
		}
	}
	p := s.file.Posting(w)
	s.alts = append(s.alts, alt{word: w, mask: mask, slip: slip, docs: p.Len, posting: p})
}

// The most words that are looked at for a prefix, and that it stands for.
const (
	maxBeginnings = 4000
	maxCompleted  = 100
)

// addBeginning adds the words that begin with a prefix, or of very many those
// that most docs bear.
func (s *search) addBeginning(prefix string, bit uint32) {
	s.beginnings = s.beginnings[:0]
	s.file.Beginning(prefix, func(w uint32) bool {
		s.beginnings = append(s.beginnings, alt{word: w, mask: bit, docs: s.file.Frequency(w)})
		return len(s.beginnings) < maxBeginnings
	})
	if len(s.beginnings) > maxCompleted {
		slices.SortStableFunc(s.beginnings, func(a, b alt) int { return b.docs - a.docs })
		s.beginnings = s.beginnings[:maxCompleted]
	}
	for _, a := range s.beginnings {
		s.addAlt(a.word, bit, false)
	}
}

// addTranscribed reads ae, oe and ue as ä, ö and ü, which fold to a, o and u.
func (s *search) addTranscribed(text string, bit uint32) {
	if plain := transcriptions.Replace(text); plain != text {
		s.addWord(plain, bit)
	}
}

var transcriptions = strings.NewReplacer("ae", "a", "oe", "o", "ue", "u")

// addHalves reads a word that the file lacks as two that it has.
func (s *search) addHalves(text string, bit uint32) {
	best, at := 0, 0
	for i := 3; i+3 <= len(text); i++ {
		left, ok := s.file.Word(text[:i])
		if !ok {
			continue
		}
		if right, ok := s.file.Word(text[i:]); ok {
			if n := min(s.file.Frequency(left), s.file.Frequency(right)); n > best {
				best, at = n, i
			}
		}
	}
	if at > 0 {
		s.addWord(text[:at], bit)
		s.addWord(text[at:], bit)
	}
}

// weigh says how much each term tells: rare words more than frequent ones,
// words that the file lacks most, particles next to nothing.
func (s *search) weigh() {
	n := float64(s.file.DocCount() + 1)
	full := math.Log(1 + n)
	s.total = 0
	for i := range s.terms {
		t := &s.terms[i]
		bit := uint32(1) << i
		t.docs = 0
		for _, a := range s.alts {
			if a.mask&bit != 0 && !a.slip {
				t.docs += a.docs
			}
		}
		t.weight = float32(math.Log(1+n/float64(t.docs+1)) / full)
		switch {
		case t.digits:
			t.weight = 0.6
		case words.Particle(t.text):
			t.weight *= 0.15
		case len(t.text) == 1:
			t.weight *= 0.4
		}
		t.weight = max(t.weight, 0.02)
		s.total += t.weight
	}
}

// weightOf is the weight of terms together.
func (s *search) weightOf(mask uint32) (sum float32) {
	for ; mask != 0; mask &= mask - 1 {
		sum += s.terms[bits.TrailingZeros32(mask)].weight
	}
	return sum
}

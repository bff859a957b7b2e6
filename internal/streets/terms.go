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
	weight float32
	docs   int // that bear the word or an alternative
}

// alt is a word of the file that stands for terms of the question.
type alt struct {
	word uint32
	mask uint32 // the terms
	docs int
	slip bool // it is spelled otherwise
}

// number is a house number that the question may ask for.
type number struct {
	text string
	hash uint32
	mask uint32
}

// parse cuts the question into terms.
func (s *search) parse(q *Query) {
	s.terms, s.split = s.terms[:0], s.split[:0]
	if q.Text != "" {
		s.addTerms(q.Text, asAny, 0)
	} else {
		s.addTerms(q.Amenity, asPOI|asStreet, 0)
		s.addTerms(q.Street, asStreet|asNumber, 1)
		s.addTerms(q.City, asArea|asContext, 2)
		s.addTerms(q.PostalCode, asArea|asContext, 3)
		s.addTerms(q.County, asArea|asContext, 4)
		s.addTerms(q.State, asArea|asContext, 5)
		s.addTerms(q.Country, asArea|asContext, 6)
	}
	s.dropNumberSigns()
}

func (s *search) addTerms(text string, r role, phrase int) {
	s.split = words.Split(s.split[:0], text)
	for _, w := range s.split {
		if len(s.terms) == maxTerms {
			return
		}
		s.terms = append(s.terms, term{text: w.Text, phrase: phrase + w.Phrase, joined: w.Joined, role: r, digits: words.Digits(w.Text)})
	}
}

// dropNumberSigns drops "Nr." and its like before a number.
func (s *search) dropNumberSigns() {
	kept := s.terms[:0]
	for i, t := range s.terms {
		next := i+1 < len(s.terms) && s.terms[i+1].digits && !s.terms[i+1].joined
		if i > 0 && next && words.NumberSign(t.text) && t.role&asNumber != 0 {
			continue
		}
		kept = append(kept, t)
	}
	s.terms = kept
}

// expand finds the words of the file that the terms may stand for.
func (s *search) expand(prefix bool) {
	s.alts, s.numbers = s.alts[:0], s.numbers[:0]
	for i := range s.terms {
		t := &s.terms[i]
		bit := uint32(1) << i
		found := s.addWord(t.text, bit)
		for _, other := range words.Alternatives(t.text) {
			found = s.addWord(other, bit) || found
		}
		if code := words.CarCodes[t.text]; code != "" {
			s.addWord(code, bit)
		}
		if prefix && i == len(s.terms)-1 {
			s.addBeginning(t.text, bit)
		}
		if t.digits {
			continue
		}
		words.Endings(t.text, func(full string) { found = s.addWord(full, bit) || found })
		if !found {
			s.addTranscribed(t.text, bit)
			s.addHalves(t.text, bit)
		}
	}
	for i := 0; i+1 < len(s.terms); i++ {
		s.addJoined(i)
	}
	s.findNumbers()
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
	s.alts = append(s.alts, alt{word: w, mask: mask, slip: slip, docs: s.file.Posting(w).Len})
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
		s.beginnings = append(s.beginnings, alt{word: w, mask: bit, docs: s.file.Posting(w).Len})
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
		right, ok2 := s.file.Word(text[i:])
		if ok && ok2 {
			if n := min(s.file.Posting(left).Len, s.file.Posting(right).Len); n > best {
				best, at = n, i
			}
		}
	}
	if at > 0 {
		s.addWord(text[:at], bit)
		s.addWord(text[at:], bit)
	}
}

// addJoined reads two terms as one word: Bahnhof Strasse, Bahnhof-Str.
func (s *search) addJoined(i int) {
	a, b := &s.terms[i], &s.terms[i+1]
	if a.digits || b.digits || a.phrase != b.phrase || len(a.text) < 2 {
		return
	}
	mask := uint32(3) << i
	s.addWord(a.text+b.text, mask)
	for _, other := range words.Alternatives(b.text) {
		s.addWord(a.text+other, mask)
	}
}

// findNumbers lists the house numbers that the terms may mean, the longest first.
func (s *search) findNumbers() {
	for i := range s.terms {
		t := &s.terms[i]
		if !t.digits || t.role&asNumber == 0 {
			continue
		}
		bit := uint32(1) << i
		if i+1 < len(s.terms) {
			next := &s.terms[i+1]
			if next.digits && next.joined {
				s.addNumber(t.text+"-"+next.text, 3<<i)
			} else if !next.digits && next.phrase == t.phrase && (len(next.text) == 1 || next.text == "bis" || next.text == "ter" || next.text == "quater") {
				s.addNumber(t.text+next.text, 3<<i)
				if next.joined {
					s.addNumber(t.text+"-"+next.text, 3<<i)
				}
			}
		}
		s.addNumber(t.text, bit)
	}
	slices.SortStableFunc(s.numbers, func(a, b number) int { return ones(b.mask) - ones(a.mask) })
}

func (s *search) addNumber(text string, mask uint32) {
	s.numbers = append(s.numbers, number{text, packed.Hash(text), mask})
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

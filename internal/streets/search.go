package streets

import (
	"cmp"
	"fmt"
	"slices"

	"geogate/internal/geo"
	"geogate/internal/place"
	"geogate/internal/streets/packed"
	"geogate/internal/streets/words"
)

// search is the memory of one search, used again by others.
type search struct {
	*Streets

	query   *Query
	terms   []term
	split   []words.Word
	alts    []alt
	lazy    []alt // too frequent to list the docs of
	numbers []number
	total   float32
	byRole  [3]uint32 // terms that may be names of streets, points of interest, areas
	context uint32    // terms that may say where something lies
	slipped uint32    // terms that no word of the file matches as they are spelled

	table      table
	candidates []candidate
	contexts   map[uint32]uint32 // terms that a context holds
	results    []candidate
}

// candidate is a doc that may be what is asked for.
type candidate struct {
	doc     uint32
	bound   float32
	house   uint32 // plus 1
	name    uint32 // terms by what holds them
	where   uint32
	number  uint32
	slip    uint32
	score   float32
	whole   float32 // how much of the doc's name was asked for
	covered float32
}

// Limits that keep a search short.
const (
	maxPostings   = 20_000 // docs that are listed for the rarest words
	maxCandidates = 48     // docs that are looked at closely
)

// enough is the share of a question that an answer must explain.
const enough = 0.72

// Search answers a question, the best answer first. The error is that of a
// damaged file.
func (s *Streets) Search(q Query) ([]Match, error) {
	x := s.scratch.Get().(*search)
	defer s.scratch.Put(x)
	x.Streets, x.query = s, &q
	x.parse(&q)
	if len(x.terms) > 0 {
		x.expand(q.Prefix)
		x.run()
		if best := x.best(); best < 0.999 && x.addSlips() {
			x.run()
		}
	} else {
		x.results = x.results[:0]
	}
	found := x.matches()
	if err := s.file.Err(); err != nil {
		return nil, fmt.Errorf("search streets: %w", err)
	}
	return found, nil
}

// best is the share of the question that the best result explains.
func (s *search) best() (best float32) {
	for _, c := range s.results {
		best = max(best, c.covered)
	}
	return best
}

// addSlips adds words that differ by a slip of the pen from those of the
// question. Numbers are taken as they are: any other one exists as well.
func (s *search) addSlips() bool {
	before := len(s.alts)
	known := uint32(0)
	if len(s.results) > 0 {
		c := s.results[0]
		known = c.where &^ c.slip
		if c.covered > 0.8 {
			known |= c.name &^ c.slip
		}
	}
	for i := range s.terms {
		t := &s.terms[i]
		bit := uint32(1) << i
		if t.digits || len(t.text) < 3 || known&bit != 0 {
			continue
		}
		s.file.Similar(t.text, func(w uint32, text string) {
			if len(text) > 2 {
				s.addAlt(w, bit, true)
			}
		})
	}
	return len(s.alts) > before
}

// run finds the candidates for the alternatives at hand and rates the best.
func (s *search) run() {
	s.setRoles()
	s.collect()
	s.bound()
	s.results = s.results[:0]
	for i := range s.candidates {
		s.rate(s.candidates[i])
	}
	slices.SortStableFunc(s.results, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.doc, b.doc), cmp.Compare(a.house, b.house))
	})
}

func (s *search) setRoles() {
	s.byRole, s.context, s.slipped = [3]uint32{}, 0, 0
	for _, a := range s.alts {
		if a.slip {
			s.slipped |= a.mask
		}
	}
	for _, a := range s.alts {
		if !a.slip {
			s.slipped &^= a.mask
		}
	}
	for i := range s.terms {
		bit, r := uint32(1)<<i, s.terms[i].role
		for j, kind := range [...]role{asStreet, asPOI, asArea} {
			if r&kind != 0 {
				s.byRole[j] |= bit
			}
		}
		if r&asContext != 0 {
			s.context |= bit
		}
	}
}

// nameable are the terms that may be part of the name of a doc of a kind.
func (s *search) nameable(k packed.Kind) uint32 {
	switch k {
	case packed.Street:
		return s.byRole[0]
	case packed.POI:
		return s.byRole[1]
	default:
		return s.byRole[2]
	}
}

// collect lists the docs of the words, the rarest words first. Of frequent
// words only the areas are listed; whether other docs bear them is looked up
// when it matters.
func (s *search) collect() {
	s.table.reset()
	s.lazy = s.lazy[:0]
	slices.SortStableFunc(s.alts, func(a, b alt) int { return a.docs - b.docs })
	areas := uint32(s.file.Areas + s.file.PostCodes)
	sum := 0
	for _, a := range s.alts {
		p := s.file.Posting(a.word)
		all := sum == 0 || sum+a.docs <= maxPostings
		if !all {
			s.lazy = append(s.lazy, a)
		}
		n := 0
		for doc, ok := p.Next(); ok; doc, ok = p.Next() {
			if (!all && doc >= areas) || n > maxPostings {
				break
			}
			s.table.add(doc, a.mask, a.slip)
			n++
		}
		sum += n
	}
	if len(s.lazy) == 0 {
		return
	}
	for _, i := range s.table.used {
		slot := s.table.slots[i]
		if slot.doc-1 < areas {
			continue
		}
		s.eachWord(s.file.Doc(slot.doc-1).Names, func(w uint32) {
			for _, a := range s.lazy {
				if a.word == w {
					s.table.slots[i].mask |= a.mask
				}
			}
		})
	}
}

func (s *search) eachWord(names uint32, yield func(w uint32)) {
	n := s.file.NameWords(names)
	for n.More() {
		for count := n.Next(); count > 0 && n.More(); count-- {
			yield(n.Next())
		}
	}
}

// bound rates the docs roughly, by the terms that they and what they lie in
// hold, and keeps the best as candidates.
func (s *search) bound() {
	s.candidates = s.candidates[:0]
	if s.contexts == nil {
		s.contexts = map[uint32]uint32{}
	}
	clear(s.contexts)
	numbers := uint32(0)
	for _, n := range s.numbers {
		numbers |= n.mask
	}
	least := float32(0)
	for _, i := range s.table.used {
		slot := s.table.slots[i]
		doc := slot.doc - 1
		kind := s.file.KindOf(doc)
		name := slot.mask & s.nameable(kind)
		if name == 0 {
			continue
		}
		rough := s.weightOf(name)
		if rough+s.weightOf(s.context|numbers) < least*0.8 {
			continue
		}
		d := s.file.Doc(doc)
		c := candidate{doc: doc, name: name, slip: slot.slip, where: s.whereabouts(d.Context)}
		reach := name | c.where
		if kind == packed.Street || kind == packed.POI {
			reach |= numbers
		}
		c.bound = s.weightOf(reach) - 0.3*s.weightOf(slot.slip) + 0.1*s.weightOf(name)
		least = max(least, c.bound)
		s.candidates = append(s.candidates, c)
	}
	if len(s.candidates) > maxCandidates {
		slices.SortFunc(s.candidates, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.bound, a.bound), cmp.Compare(a.doc, b.doc))
		})
		s.candidates = s.candidates[:maxCandidates]
	}
}

// whereabouts are the terms that the docs of a context hold.
func (s *search) whereabouts(context uint32) uint32 {
	if mask, ok := s.contexts[context]; ok {
		return mask
	}
	mask := uint32(0)
	n := s.file.Context(context)
	n.Next()
	for n.More() {
		mask |= s.table.get(n.Next()).mask
	}
	mask &= s.context
	s.contexts[context] = mask
	return mask
}

// inBox tells whether a point lies in the viewbox.
func inBox(b *place.Box, lat, lon int32) bool {
	p := geo.Point{Lat: float64(lat) * 1e-7, Lon: float64(lon) * 1e-7}
	return p.Lat >= b.South && p.Lat <= b.North && p.Lon >= b.West && p.Lon <= b.East
}

package streets

import (
	"cmp"
	"slices"

	"geogate/internal/geo"
	"geogate/internal/place"
	"geogate/internal/streets/packed"
)

// search is the memory of one search, used again by others.
type search struct {
	*Streets
	question

	query      Query
	alts       []alt
	lazy       []alt // too frequent to list the docs of
	beginnings []alt // that the last word may become
	total      float32
	byRole     [3]uint32 // terms that may be names of streets, points of interest, areas
	context    uint32    // terms that may say where something lies
	slipped    uint32    // terms that no word of the file matches as they are spelled

	table      table
	candidates []candidate
	contexts   table // terms that a context holds, as far as they were asked for
	results    []candidate
}

// candidate is a doc that may be what is asked for.
type candidate struct {
	doc     uint32
	bound   float32 // the most it can explain
	house   uint32  // plus 1
	name    uint32  // terms by what holds them
	where   uint32
	number  uint32
	slip    uint32
	score   float32
	whole   float32 // how much of the doc's name was asked for
	covered float32
	full    bool // every term is explained as it is spelled
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
	x := s.begin(q, nil)
	defer x.end()
	if !x.understood() {
		x.runSlips(0)
	}
	return x.matches()
}

// begin looks for answers that need no slips. asked is the question if it was
// parsed before. end has to follow.
func (s *Streets) begin(q Query, asked *question) *search {
	x := s.scratch.Get().(*search)
	x.Streets, x.query = s, q
	if asked == nil {
		x.parse(&q)
	} else {
		x.terms = append(x.terms[:0], asked.terms...)
		x.spellings = append(x.spellings[:0], asked.spellings...)
		x.numbers = append(x.numbers[:0], asked.numbers...)
	}
	x.expand(q.Prefix)
	x.run()
	return x
}

// end gives the memory to the next search.
func (s *search) end() {
	s.query = Query{}
	s.scratch.Put(s)
}

// found are the terms that words of the file match as they are spelled.
func (s *search) found() (mask uint32) {
	for _, a := range s.alts {
		if !a.slip {
			mask |= a.mask
		}
	}
	return mask
}

// runSlips looks again, for words that are spelled otherwise, too. others are the
// terms that other files know: what only they know is not misspelled here.
func (s *search) runSlips(others uint32) {
	if s.addSlips(others &^ s.found()) {
		s.run()
	}
}

// understood tells whether some result explains every word as it is spelled.
func (s *search) understood() bool {
	return slices.ContainsFunc(s.results, func(c candidate) bool { return c.full })
}

// addSlips adds words that differ by a slip of the pen from those of the
// question, except for some terms. Numbers are taken as they are: any other one
// exists as well.
func (s *search) addSlips(except uint32) bool {
	if len(s.results) > 0 {
		c := s.results[0]
		except |= c.where &^ c.slip
		if c.covered > 0.8 {
			except |= c.name &^ c.slip
		}
	}
	slippery := uint32(0)
	for i, t := range s.terms {
		if !t.digits && len(t.text) >= 3 {
			slippery |= 1 << i
		}
	}
	slippery &^= except
	if s.hopeless(slippery) {
		return false
	}
	before := len(s.alts)
	for i := range s.terms {
		bit := uint32(1) << i
		if slippery&bit == 0 {
			continue
		}
		text := s.terms[i].text
		s.addHalves(text, bit)
		s.file.Similar(text, func(w uint32, other string) {
			if len(other) > 2 {
				s.addAlt(w, bit, true)
			}
		})
	}
	return len(s.alts) > before
}

// hopeless reports whether no answer of this file can explain enough, even if
// some terms are slips of its words.
func (s *search) hopeless(slippery uint32) bool {
	held := s.found()
	for _, n := range s.numbers {
		held |= n.mask
	}
	// The sums are rounded: what is just enough has to pass.
	return s.weightOf(held)+slipShare*s.weightOf(slippery&^held) < 0.999*enough*s.total
}

// run finds the candidates for the alternatives at hand and rates the best.
func (s *search) run() {
	s.results = s.results[:0]
	s.setRoles()
	if s.slipped == 0 && s.hopeless(0) {
		return
	}
	s.collect()
	s.bound()
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
}

// addLazy adds the terms of frequent words that the names of a doc hold.
func (s *search) addLazy(slot *slot) {
	s.eachWord(s.file.Doc(slot.doc-1).Names, func(w uint32) {
		for _, a := range s.lazy {
			if a.word == w {
				slot.mask |= a.mask
			}
		}
	})
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
	s.contexts.reset()
	areasHold, streetsHold := s.anywhere()
	numbers, lazy := uint32(0), uint32(0)
	for _, n := range s.numbers {
		numbers |= n.mask
	}
	for _, a := range s.lazy {
		lazy |= a.mask
	}
	areas := uint32(s.file.Areas + s.file.PostCodes)
	top := float32(0)
	for _, i := range s.table.used {
		slot := &s.table.slots[i]
		doc := slot.doc - 1
		kind := s.file.KindOf(doc)
		elsewhere := areasHold | numbers
		if kind == packed.POI {
			elsewhere |= streetsHold
		}
		// Most docs bear one frequent word and can be passed over unread.
		weak := func(name uint32) bool {
			most := s.weightOf(name | elsewhere)
			return most < enough*s.total || most+0.1*s.weightOf(name) < top-leeway*s.total
		}
		name := slot.mask & s.nameable(kind)
		if name == 0 || weak(name|lazy&s.nameable(kind)) {
			continue
		}
		if lazy != 0 && doc >= areas {
			s.addLazy(slot)
			if name = slot.mask & s.nameable(kind); weak(name) {
				continue
			}
		}
		where := s.whereabouts(s.file.Doc(doc).Context)
		reach := name | where
		if kind == packed.Street || kind == packed.POI {
			reach |= numbers
		}
		bound := s.weightOf(reach) - 0.3*s.weightOf(slot.slip) + 0.1*s.weightOf(name)
		if bound < top-leeway*s.total {
			continue
		}
		top = max(top, bound)
		s.candidates = append(s.candidates, candidate{doc: doc, bound: bound, where: where})
	}
	s.candidates = slices.DeleteFunc(s.candidates, func(c candidate) bool { return c.bound < top-leeway*s.total })
	if len(s.candidates) > maxCandidates {
		slices.SortFunc(s.candidates, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.bound, a.bound), cmp.Compare(a.doc, b.doc))
		})
		s.candidates = s.candidates[:maxCandidates]
	}
}

// leeway is how much less of a question than the best a candidate may explain
// by its rough rating and still be looked at.
const leeway = 0.25

// anywhere are the terms that name any area at all, and any street: what a
// point of interest stands at is where it lies, too.
func (s *search) anywhere() (areas, streets uint32) {
	firstStreet := uint32(s.file.Areas + s.file.PostCodes)
	firstPOI := firstStreet + uint32(s.file.Streets)
	for _, i := range s.table.used {
		slot := &s.table.slots[i]
		switch doc := slot.doc - 1; {
		case doc < firstStreet:
			areas |= slot.mask
		case doc < firstPOI && ones(slot.mask) > 1:
			streets |= slot.mask
		}
	}
	return areas & s.context, streets & s.context
}

// whereabouts are the terms that the docs of a context hold.
func (s *search) whereabouts(context uint32) uint32 {
	if known := s.contexts.get(context); known.doc != 0 {
		return known.mask
	}
	mask := uint32(0)
	n := s.file.Context(context)
	n.Next()
	for n.More() {
		mask |= s.table.get(n.Next()).mask
	}
	mask &= s.context
	s.contexts.add(context, mask, false)
	return mask
}

// inBox tells whether a point lies in the viewbox.
func inBox(b *place.Box, lat, lon int32) bool {
	p := geo.Point{Lat: float64(lat) * 1e-7, Lon: float64(lon) * 1e-7}
	return p.Lat >= b.South && p.Lat <= b.North && p.Lon >= b.West && p.Lon <= b.East
}

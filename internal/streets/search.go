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
	beginnings []alt // that the last word may become
	total      float32
	nameable   [packed.Parts]uint32 // terms that may be part of names
	context    uint32               // terms that may say where something lies
	numbered   uint32               // terms that may be house numbers
	articles   uint32               // terms that are particles, if others are not
	slipped    uint32               // terms that no word of the file matches as they are spelled

	table     table                // docs
	bears     table                // words
	lazy      [packed.Parts]uint32 // terms of which not all docs were listed
	elsewhere [packed.Parts]uint32 // terms that something else than a doc's name may hold
	order     []ranked
	residents []uint32 // docs in small areas that are named
	promising []promise
	chosen    []uint32 // slots of the docs to look at

	candidates []candidate
	contexts   table // terms that a context holds, as far as they were asked for
	results    []candidate
}

// candidate is a doc that may be what is asked for.
type candidate struct {
	doc     uint32
	bound   float32 // the most it can explain
	near    float32 // what its score gains for where it lies
	house   uint32  // plus 1
	name    uint32  // terms by what holds them
	where   uint32
	vague   uint32 // of where: by a slip of the pen
	number  uint32
	slip    uint32
	score   float32
	whole   float32 // how much of the doc's name was asked for
	covered float32
	full    bool // every term is explained as it is spelled
}

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
	x.Streets, x.query, x.numbered = s, q, 0
	if asked == nil {
		x.parse(&q)
	} else {
		x.terms = append(x.terms[:0], asked.terms...)
		x.spellings = append(x.spellings[:0], asked.spellings...)
		x.numbers = append(x.numbers[:0], asked.numbers...)
	}
	for _, n := range x.numbers {
		x.numbered |= n.mask
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
		except |= c.where &^ c.vague &^ c.slip
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
	held := s.found() | s.numbered
	return !s.suffices(s.weightOf(held) + slipShare*s.weightOf(slippery&^held))
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
	s.nameable, s.context, s.slipped = [packed.Parts]uint32{}, 0, 0
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
	s.articles = s.particles()
	for i := range s.terms {
		bit, r := uint32(1)<<i, s.terms[i].role
		for part, kind := range [...]role{packed.AreaPart: asArea, packed.StreetPart: asStreet, packed.POIPart: asPOI} {
			if r&kind != 0 {
				s.nameable[part] |= bit
			}
		}
		if r&asContext != 0 {
			s.context |= bit
		}
	}
}

// bound rates the docs roughly, by the terms that they and what they lie in
// hold, and keeps the best as candidates.
func (s *search) bound() {
	s.candidates = s.candidates[:0]
	s.contexts.reset()
	s.choose()
	top := float32(0)
	for _, i := range s.chosen {
		slot := &s.table.slots[i]
		doc := slot.doc - 1
		part := s.file.PartOf(doc)
		weak := func() bool {
			most := s.most(slot, part)
			return !s.suffices(most) || 1.1*most < top-leeway*s.total
		}
		if weak() {
			continue
		}
		s.readNames(slot)
		name := slot.mask & s.nameable[part]
		if name == 0 || weak() {
			continue
		}
		d := s.file.Doc(doc)
		var where, vague uint32
		if part == packed.POIPart || s.elsewhere[part] != s.numbered {
			where, vague = s.whereabouts(d.Context)
		}
		reach := name | where
		if part != packed.AreaPart {
			reach |= s.numbered
		}
		bound := s.weightOf(reach) - 0.3*s.weightOf(slot.slip|vague&^name) + 0.1*s.weightOf(name)
		if bound < top-leeway*s.total || !s.admits(d, doc) {
			continue
		}
		top = max(top, bound)
		s.candidates = append(s.candidates, candidate{doc: doc, bound: bound, near: s.nearness(d), where: where, vague: vague})
	}
	s.candidates = slices.DeleteFunc(s.candidates, func(c candidate) bool { return c.bound < top-leeway*s.total })
	if len(s.candidates) > maxCandidates {
		slices.SortFunc(s.candidates, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.bound, a.bound), cmp.Compare(b.near, a.near), cmp.Compare(a.doc, b.doc))
		})
		s.candidates = s.candidates[:maxCandidates]
	}
}

// leeway is how much less of a question than the best a candidate may explain
// by its rough rating and still be looked at.
const leeway = 0.25

// whereabouts are the terms that the docs of a context hold, and which of them they
// hold by a slip of the pen.
func (s *search) whereabouts(context uint32) (mask, slip uint32) {
	known := s.contexts.get(context)
	if known.doc == 0 {
		known.doc = context + 1
		n := s.file.Context(context)
		n.Next()
		for n.More() {
			if held := s.table.get(n.Next()); held.doc != 0 {
				known.join(held)
			}
		}
		s.contexts.add(context, known.mask&^known.slip&s.context, false)
		s.contexts.add(context, known.slip&s.context, true)
	}
	return known.mask & s.context, known.slip & s.context
}

// inBox tells whether a point lies in the viewbox.
func inBox(b *place.Box, lat, lon int32) bool {
	p := geo.Point{Lat: float64(lat) * 1e-7, Lon: float64(lon) * 1e-7}
	return p.Lat >= b.South && p.Lat <= b.North && p.Lon >= b.West && p.Lon <= b.East
}

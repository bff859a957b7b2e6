package streets

import (
	"cmp"
	"slices"

	"geogate/internal/streets/packed"
)

// Limits that keep a search short, however large the file is.
const (
	maxAreas      = 5_000  // areas that are listed for the words of a question
	maxListed     = 10_000 // streets that are, and as many points of interest
	maxLooked     = 2_000  // docs of which the names and the context are read
	maxCandidates = 48     // docs that are looked at closely
)

// collect lists the docs that may answer. All areas that bear a word come first:
// what lies in them is explained by it. Then come the streets, and last the
// points of interest, which may stand at one of them.
func (s *search) collect() {
	s.table.reset()
	s.bears.reset()
	s.residents = s.residents[:0]
	for _, a := range s.alts {
		s.bears.add(a.word, a.mask, a.slip)
	}
	s.elsewhere = [packed.Parts]uint32{}
	s.list(packed.AreaPart)
	areas := s.holds(0) & s.context
	s.elsewhere = [packed.Parts]uint32{areas | s.numbered, areas | s.numbered, areas | s.numbered}
	named := len(s.table.used)
	cut := s.list(packed.StreetPart)
	s.elsewhere[packed.POIPart] |= s.streetsHold(named)
	if s.list(packed.POIPart) || cut || len(s.table.used) > maxLooked {
		s.addResidents(named)
	}
}

// list lists the docs of a part by the words that they bear, the rarest first. It
// ends where docs that bear none of the words so far cannot explain enough: then
// it misses none. Articles alone name no street and nothing in it. cut reports that it ended for their number: then it has the most
// important ones of the first word that was too much.
func (s *search) list(part packed.Part) (cut bool) {
	s.order = s.order[:0]
	for i := range s.alts {
		s.order = append(s.order, ranked{s.alts[i].posting.Of[part].Len, i, 0})
	}
	slices.SortFunc(s.order, func(a, b ranked) int { return cmp.Or(a.docs-b.docs, a.alt-b.alt) })
	rest := uint32(0)
	for i := len(s.order) - 1; i >= 0; i-- {
		rest |= s.alts[s.order[i].alt].mask
		s.order[i].rest = rest & s.nameable[part]
	}
	left := maxListed
	if part == packed.AreaPart {
		left = maxAreas
	}
	skipped := uint32(0)
	for _, o := range s.order {
		if s.dispensable(part, o.rest) {
			s.lazy[part] = skipped | o.rest
			return false
		}
		a := &s.alts[o.alt]
		if part != packed.AreaPart && a.mask&^s.articles == 0 {
			skipped |= a.mask & s.nameable[part]
			continue
		}
		docs := a.posting.Of[part]
		for doc, ok := docs.Next(); ok; doc, ok = docs.Next() {
			if left == 0 {
				s.lazy[part] = skipped | o.rest
				return true
			}
			s.table.add(doc, a.mask, a.slip)
			left--
		}
	}
	s.lazy[part] = skipped
	return false
}

// ranked is an alternative in the order of how many docs of a part bear it.
type ranked struct {
	docs, alt int
	rest      uint32 // terms of this one and those after it
}

// dispensable reports whether docs of a part that bear no terms but some need not
// be listed. Areas always are, and streets also when what they hold may say much of
// where a point of interest lies.
func (s *search) dispensable(part packed.Part, rest uint32) bool {
	switch {
	case part == packed.AreaPart:
		return false
	case part == packed.StreetPart && s.nameable[packed.POIPart] != 0 && s.weightOf(rest&s.context) >= (1-enough)*s.total:
		return false
	default:
		return !s.suffices(s.weightOf(rest | s.elsewhere[part]))
	}
}

// suffices reports whether a weight is enough for an answer. The sums are rounded:
// what is just enough has to pass.
func (s *search) suffices(weight float32) bool { return weight >= 0.999*enough*s.total }

// holds are the terms of the docs that were listed from one on.
func (s *search) holds(from int) (mask uint32) {
	for _, i := range s.table.used[from:] {
		mask |= s.table.slots[i].mask
	}
	return mask
}

// streetsHold are the terms that name any street, from the first that was listed
// on: what a point of interest stands at is where it lies, too. One word of a
// street's name does not say so much.
func (s *search) streetsHold(first int) (mask uint32) {
	for n, i := range s.table.used[first:] {
		slot := &s.table.slots[i]
		if n < maxLooked {
			s.readNames(slot)
		}
		if ones(slot.mask&^s.articles) > 1 {
			mask |= slot.mask
		}
	}
	return mask & s.context
}

// readNames adds to a doc the terms of the words that were not listed.
func (s *search) readNames(slot *slot) {
	doc := slot.doc - 1
	if slot.read || s.lazy[s.file.PartOf(doc)] == 0 {
		return
	}
	slot.read = true
	n := s.file.NameWords(s.file.Doc(doc).Names)
	for n.More() {
		for count := n.Next(); count > 0 && n.More(); count-- {
			slot.join(s.bears.get(n.Next()))
		}
	}
}

// addResidents lists what lies in the small areas that the question names, or is
// asked from. Where very many docs bear a word, those in a village are not among the
// most important. named is how many areas were listed.
func (s *search) addResidents(named int) {
	left := packed.MaxResidents
	add := func(area uint32) {
		docs := s.file.Residents(area)
		if docs.Len > left {
			return
		}
		left -= docs.Len
		for doc, ok := docs.Next(); ok; doc, ok = docs.Next() {
			s.table.add(doc, 0, false)
			s.residents = append(s.residents, doc)
		}
	}
	for n := range named {
		if slot := s.table.slots[s.table.used[n]]; slot.mask&s.context != 0 {
			add(slot.doc - 1)
		}
	}
	if p := s.query.from(); p != nil {
		s.file.AreasAt(packed.Point{Lat: int32(p.Lat * 1e7), Lon: int32(p.Lon * 1e7)}, add)
	}
}

// choose picks the docs to look at: those of small areas that are named, then
// those whose words may explain most. Most docs bear one frequent word and can be
// passed over unread.
func (s *search) choose() {
	s.chosen, s.promising = s.chosen[:0], s.promising[:0]
	for _, doc := range s.residents {
		if i := s.table.find(doc); !s.table.slots[i].chosen {
			s.table.slots[i].chosen = true
			s.chosen = append(s.chosen, i)
		}
	}
	var counts [steps + 1]int
	for _, i := range s.table.used {
		slot := &s.table.slots[i]
		part := s.file.PartOf(slot.doc - 1)
		if slot.chosen || slot.mask&s.nameable[part] == 0 {
			continue
		}
		most := s.most(slot, part)
		if !s.suffices(most) {
			continue
		}
		step := uint8(min(steps, steps*most/s.total))
		counts[step]++
		s.promising = append(s.promising, promise{i, step})
	}
	// Those that promise most come first: then less is read of the others.
	next, places := len(s.chosen), [steps + 1]int{}
	for step := steps; step >= 0; step-- {
		places[step] = next
		next += counts[step]
	}
	s.chosen = append(s.chosen, make([]uint32, next-len(s.chosen))...)
	for _, p := range s.promising {
		s.chosen[places[p.step]] = p.slot
		places[p.step]++
	}
	s.chosen = s.chosen[:min(len(s.chosen), maxLooked)]
}

// promise is a doc that may answer, and how much of the question it may explain
// in steps.
type promise struct {
	slot uint32
	step uint8
}

const steps = 64

// most is the most that a doc can explain as far as its words are known.
func (s *search) most(slot *slot, part packed.Part) float32 {
	name := slot.mask & s.nameable[part]
	if !slot.read {
		name |= s.lazy[part]
	}
	return s.weightOf(name | s.elsewhere[part])
}

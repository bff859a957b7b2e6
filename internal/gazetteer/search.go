package gazetteer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
	"geogate/internal/geo"
	"geogate/internal/place"
)

// Query asks for places by name: by Text, or by the structured fields when Text
// has no word in it. What both leave empty finds nothing.
type Query struct {
	Text string

	City, County, State, Country string
	// Finer is anything below a town that was asked for, such as a street or a
	// post code. The gazetteer knows none, so a query with it finds nothing.
	Finer string

	CountryCodes []string   // only places of these, lower case; empty: of all
	Viewbox      *place.Box // places within come first
	Bounded      bool       // places outside Viewbox are left out
	Limit        int        // the most matches to return; 0: 10
	Exclude      []int64    // GeoNames ids not to return
	// MinRank and MaxRank bound Kind.AddressRank; a MaxRank of 0 is 30.
	MinRank, MaxRank int
	// KeepDuplicates also returns places that read like one before them.
	KeepDuplicates bool
}

const (
	defaultLimit = 10
	// maxWords is more than any place has in its full name with all divisions.
	maxWords = 32
)

// Search returns the places that every word of q names, best first. A place
// ranks by its number of people and how well it is known, with deductions for
// names that are not the main one and for a query that had to be cut into name
// and area without a comma.
func (g *Gazetteer) Search(q Query) []Match {
	s := search{gazetteer: g, query: q, names: map[string][]packed.Posting{}, found: map[int]candidate{}}
	if q.Finer != "" {
		return nil
	}
	if phrases := fold.Phrases(q.Text); len(phrases) > 0 {
		s.text(phrases)
	} else if q.Text == "" {
		s.structured()
	}
	return s.best()
}

// search is the state of one Search.
type search struct {
	gazetteer *Gazetteer
	query     Query
	names     map[string][]packed.Posting // what was looked up so far
	found     map[int]candidate           // by reference
	// slipLookups counts the names that were tried with a letter changed.
	slipLookups int
}

// text tries every way to read the words as a name followed, or preceded, by
// areas that the place lies in.
func (s *search) text(phrases [][]string) {
	split(phrases, s.candidates)
	if len(s.found) == 0 {
		s.slips(phrases)
	}
}

// split cuts words in all ways into a name and the rest, which a comma may part.
// The name does not reach over a comma.
func split(phrases [][]string, yield func(name, rest []string, comma bool)) {
	words := slices.Concat(phrases...)
	if len(words) > maxWords {
		return
	}
	ends := map[int]bool{} // where a phrase ends
	first, last := len(phrases[0]), len(words)-len(phrases[len(phrases)-1])
	at := 0
	for _, p := range phrases {
		at += len(p)
		ends[at] = true
	}
	for i := 1; i <= first; i++ {
		yield(words[:i], words[i:], ends[i])
	}
	for i := max(1, last); i < len(words); i++ {
		yield(words[i:], words[:i], ends[i])
	}
}

// cut is the deduction for a name and areas that no comma parts.
func cut(rest []string, comma bool) float64 {
	if len(rest) > 0 && !comma {
		return noComma
	}
	return 0
}

// candidates scores what is called name and lies in the areas that rest names.
func (s *search) candidates(name, rest []string, comma bool) {
	found := s.lookup(name)
	if len(found) == 0 {
		return
	}
	spans := s.spans(rest)
	if len(rest) > 0 && len(spans) == 0 {
		return
	}
	for _, p := range found {
		if s.covers(p.Ref, len(rest), spans) {
			s.add(p, cut(rest, comma))
		}
	}
}

// span is a run of words that names areas or towns, areas first.
type span struct {
	from, to int
	names    []packed.Posting
}

func (s *search) spans(words []string) []span {
	var all []span
	for from := range words {
		for to := from + 1; to <= len(words); to++ {
			if names := s.lookup(words[from:to]); len(names) > 0 {
				all = append(all, span{from, to, names})
			}
		}
	}
	return all
}

// covers reports whether count words can be read, without a gap, as names of
// areas that ref lies in. Spans are in the order of where they begin.
func (s *search) covers(ref, count int, spans []span) bool {
	if count == 0 {
		return true
	}
	var reached [maxWords + 1]bool
	reached[0] = true
	for _, sp := range spans {
		if reached[sp.from] && !reached[sp.to] && s.liesIn(ref, sp.names) {
			reached[sp.to] = true
		}
	}
	return reached[count]
}

// liesIn reports whether one of the names is of something that ref lies in: one
// of its areas; an island or a landscape around it; for a part of a town, that
// town.
func (s *search) liesIn(ref int, names []packed.Posting) bool {
	f := s.gazetteer.file
	found := false
	s.gazetteer.ancestors(ref, func(area int) bool {
		found = slices.ContainsFunc(names, func(p packed.Posting) bool { return p.Ref == area })
		return !found
	})
	if found {
		return true
	}
	at, part := s.gazetteer.point(ref), s.gazetteer.partOfTown(ref)
	for _, p := range names {
		switch {
		case p.Ref == ref || p.Kind == packed.Weak:
		case p.Ref >= f.Areas():
			town := p.Ref - f.Areas()
			if part && geo.Distance(at, f.Point(town)) <= reach(f.Population(town)) {
				return true
			}
		case f.AreaLevel(p.Ref) == packed.Island || f.AreaLevel(p.Ref) == packed.Region:
			a := f.Area(p.Ref)
			if within(place.Box(a.Box), at) && a.Code == f.AreaCode(s.gazetteer.country(ref)) {
				return true
			}
		}
	}
	return false
}

// structured reads each field as one name of its own level.
func (s *search) structured() {
	fields := []struct {
		value string
		is    func(ref int) bool
	}{
		{s.query.City, func(ref int) bool { return ref >= s.gazetteer.file.Areas() }},
		{s.query.County, s.hasLevel(packed.County)},
		{s.query.State, s.hasLevel(packed.State)},
		{s.query.Country, s.hasLevel(packed.Country)},
	}
	var place string             // the finest field names the place
	var is func(ref int) bool    // and says what it is
	var outer [][]packed.Posting // the others say where it lies
	for _, f := range fields {
		key := fold.Key(f.value)
		switch {
		case f.value == "":
		case is == nil:
			place, is = key, f.is
		default:
			outer = append(outer, slices.DeleteFunc(slices.Clone(s.lookup(strings.Fields(key))), func(p packed.Posting) bool {
				return !f.is(p.Ref)
			}))
		}
	}
	if is == nil {
		return
	}
	add := func(deduction float64) func(p packed.Posting) {
		return func(p packed.Posting) {
			outside := func(names []packed.Posting) bool { return !s.liesIn(p.Ref, names) }
			if is(p.Ref) && !slices.ContainsFunc(outer, outside) {
				s.add(p, deduction)
			}
		}
	}
	for _, p := range s.lookup(strings.Fields(place)) {
		add(0)(p)
	}
	if len(s.found) == 0 {
		s.resembling(place, add(slipped))
	}
}

func (s *search) hasLevel(level packed.Level) func(ref int) bool {
	return func(ref int) bool {
		return ref < s.gazetteer.file.Areas() && s.gazetteer.file.AreaLevel(ref) == level
	}
}

func (s *search) lookup(words []string) []packed.Posting {
	key := strings.Join(words, " ")
	found, ok := s.names[key]
	if !ok {
		found = s.gazetteer.file.Lookup(key)
		s.names[key] = found
	}
	return found
}

// add scores a candidate that the filters let through.
func (s *search) add(p packed.Posting, deduction float64) {
	score, at, ok := s.rate(p)
	if !ok {
		return
	}
	if box := s.query.Viewbox; box != nil {
		switch {
		case within(*box, at):
			score += inViewbox
		case s.query.Bounded:
			return
		}
	}
	score -= deduction
	if before, ok := s.found[p.Ref]; !ok || score > before.score {
		s.found[p.Ref] = candidate{score, p.Kind == packed.Weak}
	}
}

func within(box place.Box, p geo.Point) bool {
	return p.Lat >= box.South && p.Lat <= box.North && p.Lon >= box.West && p.Lon <= box.East
}

// best decodes the candidates with the highest scores.
func (s *search) best() []Match {
	refs := slices.SortedFunc(maps.Keys(s.found), func(a, b int) int {
		return cmp.Or(cmp.Compare(s.found[b].score, s.found[a].score), cmp.Compare(a, b))
	})
	// A weak name is noise behind a good one.
	if len(refs) > 0 && !s.found[refs[0]].weak {
		refs = slices.DeleteFunc(refs, func(ref int) bool { return s.found[ref].weak })
	}
	limit := s.query.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	var matches []Match
	seen := map[string]bool{}
	for _, ref := range refs {
		if len(matches) >= limit {
			break
		}
		m := s.gazetteer.match(ref)
		if label := m.Place(nil).DisplayName; !s.query.KeepDuplicates {
			if seen[label] {
				continue // such as the state of São Paulo after the city
			}
			seen[label] = true
		}
		matches = append(matches, m)
	}
	return matches
}

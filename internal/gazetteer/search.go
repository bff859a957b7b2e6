package gazetteer

import (
	"cmp"
	"math"
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
// ranks by its number of people, with deductions for names that are not the main
// one and for a query that had to be cut into name and area without a comma.
func (g *Gazetteer) Search(q Query) []Match {
	s := search{gazetteer: g, query: q, names: map[string][]packed.Posting{}, scores: map[int]float64{}}
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
	scores    map[int]float64             // the candidates by reference
}

// Deductions from a score, which is a decimal logarithm of people: 0.3 is half
// as many.
const (
	alternateName = 0.5
	noComma       = 1.0
	suburb        = 0.3
	state         = 1.5 // so that the city of New York precedes the state
	county        = 2.0
	countryAlias  = 2.0 // Brasília precedes Brazil, which Finns call Brasilia
)

// Bonuses, likewise.
const (
	countryName = 3.0
	capital     = 0.3
	seat        = 0.1
	inViewbox   = 1.0
)

// text tries every way to read the words as a name followed, or preceded, by
// areas that the place lies in.
func (s *search) text(phrases [][]string) {
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
	for i := 1; i <= first; i++ { // the name does not reach over a comma
		s.candidates(words[:i], words[i:], ends[i])
	}
	for i := max(1, last); i < len(words); i++ {
		s.candidates(words[i:], words[:i], ends[i])
	}
}

// candidates scores what is called name and lies in the areas that rest names.
func (s *search) candidates(name, rest []string, comma bool) {
	found := s.lookup(name)
	if len(found) == 0 {
		return
	}
	deduction := 0.0
	if len(rest) > 0 && !comma {
		deduction = noComma
	}
	spans := s.spans(rest)
	if len(rest) > 0 && len(spans) == 0 {
		return
	}
	for _, p := range found {
		if p.Kind != packed.Code && s.covers(p.Ref, len(rest), spans) {
			s.add(p, deduction)
		}
	}
}

// span is a run of words that names areas.
type span struct {
	from, to int
	areas    []packed.Posting
}

func (s *search) spans(words []string) []span {
	var all []span
	for from := range words {
		for to := from + 1; to <= len(words); to++ {
			if areas := s.areas(words[from:to]); len(areas) > 0 {
				all = append(all, span{from, to, areas})
			}
		}
	}
	return all
}

// areas looks up a name and keeps the areas it leads to. These come before the
// places.
func (s *search) areas(words []string) []packed.Posting {
	found := s.lookup(words)
	n, _ := slices.BinarySearchFunc(found, s.gazetteer.file.Areas(), func(p packed.Posting, ref int) int {
		return cmp.Compare(p.Ref, ref)
	})
	return found[:n]
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
		if reached[sp.from] && !reached[sp.to] && s.liesIn(ref, sp.areas) {
			reached[sp.to] = true
		}
	}
	return reached[count]
}

func (s *search) liesIn(ref int, areas []packed.Posting) bool {
	found := false
	s.gazetteer.ancestors(ref, func(area int) bool {
		found = slices.ContainsFunc(areas, func(p packed.Posting) bool { return p.Ref == area })
		return !found
	})
	return found
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
	var candidates []packed.Posting
	asked := false
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		found := slices.DeleteFunc(slices.Clone(s.lookup(strings.Fields(fold.Key(f.value)))), func(p packed.Posting) bool {
			return !f.is(p.Ref)
		})
		if !asked { // the finest field names the place, the others where it lies
			asked, candidates = true, found
			continue
		}
		candidates = slices.DeleteFunc(candidates, func(p packed.Posting) bool { return !s.liesIn(p.Ref, found) })
	}
	for _, p := range candidates {
		s.add(p, 0)
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
	if before, ok := s.scores[p.Ref]; !ok || score > before {
		s.scores[p.Ref] = score
	}
}

// rate applies all filters except the viewbox. The score is the logarithm of
// the number of people, adjusted for the kind of name and place.
func (s *search) rate(p packed.Posting) (score float64, at geo.Point, ok bool) {
	f := s.gazetteer.file
	if codes := s.query.CountryCodes; len(codes) > 0 && !slices.Contains(codes, f.Area(s.gazetteer.country(p.Ref)).Code) {
		return 0, at, false
	}
	var kind Kind
	var people int64
	if p.Ref < f.Areas() {
		a := f.Area(p.Ref)
		kind, people, at = areaKinds[a.Level], a.Population, a.Point
	} else {
		i := p.Ref - f.Areas()
		people, at = f.Population(i), f.Point(i)
		kind = placeKind(f.PlaceFeature(i), people)
		switch f.PlaceFeature(i) {
		case packed.PPLC:
			score += capital
		case packed.PPLA:
			score += seat
		}
		if len(s.query.Exclude) > 0 && slices.Contains(s.query.Exclude, f.Place(i).ID) {
			return 0, at, false
		}
	}
	highest := s.query.MaxRank
	if highest == 0 {
		highest = 30
	}
	if rank := kind.AddressRank(); rank < s.query.MinRank || rank > highest {
		return 0, at, false
	}
	// Places without a population count as hamlets.
	score += math.Log10(float64(max(people, 300)))
	switch {
	case kind == Country && p.Kind == packed.Main:
		return score + countryName, at, true
	case kind == Country:
		return score - countryAlias - alternateName, at, true
	case kind == State:
		score -= state
	case kind == County:
		score -= county
	case kind == Suburb:
		score -= suburb
	}
	if p.Kind == packed.Alternate {
		score -= alternateName
	}
	return score, at, true
}

func within(box place.Box, p geo.Point) bool {
	return p.Lat >= box.South && p.Lat <= box.North && p.Lon >= box.West && p.Lon <= box.East
}

// best decodes the candidates with the highest scores.
func (s *search) best() []Match {
	refs := make([]int, 0, len(s.scores))
	for ref := range s.scores {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.scores[b], s.scores[a]), cmp.Compare(a, b))
	})
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

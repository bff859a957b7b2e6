package gazetteer

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
	"geogate/internal/gazetteer/prominence"
	"geogate/internal/geo"
)

// Prefix asks for places while their name is being typed.
type Prefix struct {
	Text         string     // the beginning of a name, or of a word in it; areas may follow
	CountryCodes []string   // only places of these, lower case; empty: of all
	Near         *geo.Point // where the reader is; nil: not known
	Languages    Languages  // of the reader
	Limit        int        // the most matches to return; 0: 10
}

// What the reader's situation adds to the prominence of a place, in its unit.
const (
	wholeName = 1.0 // York is York, and then New York
	innerWord = 1.0 // less, where a later word of the name is meant

	nearBonus  = 8.0    // for a place where the reader is,
	nearMetres = 15_000 // half of it so far away
	// nearReach is how far around the reader every place is looked at. Beyond it,
	// nearness still counts for what is found by prominence.
	nearReach = 40_000

	homeBonus   = 0.5 // in the country that the reader's language names: de-CH
	spokenBonus = 0.2 // in a country where most read the reader's language
)

// Bounds of one call.
const (
	// spare is how many more candidates than suggestions are ranked: some read
	// alike, and the nearest may not be among the most prominent.
	spare = 20
	// maxVisited is how many places around the reader, or in one country, are
	// looked at: 2,000 take 0.2 ms.
	maxVisited = 2000
	// maxCountries is for how many countries that is done.
	maxCountries = 3
	// maxBlocksOfCountries is how many blocks of names are opened where only these
	// countries count: a small one has too few places for the search to end early,
	// and around has looked at all of them. 64 blocks are 0.5 ms.
	maxBlocksOfCountries = 64
	// maxAreaWords is how many words at the end may name areas: Paris, Lamar
	// County, Tex.
	maxAreaWords = 3
	// maxPlaced is how many places of a name, the most prominent, are looked at for
	// the areas that they lie in, for each number of words: 100 take 0.2 ms.
	maxPlaced = 100
)

// Suggest returns the places that q may become, best first. Unlike Search it does
// not look for all that fits: it finds the most prominent, and what is near the
// reader.
func (g *Gazetteer) Suggest(q Prefix) []Match {
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	key := fold.Key(q.Text)
	if key == "" {
		return nil
	}
	s := suggestions{gazetteer: g, prefix: q, most: q.Limit + spare, found: map[int]float64{}}
	s.byName(key, nil)
	s.byWord(key)
	s.around(key)
	words := strings.Fields(key)
	for cut := len(words) - 1; cut > 0 && len(words)-cut <= maxAreaWords && len(s.found) < q.Limit; cut-- {
		s.byName(strings.Join(words[:cut], " "), words[cut:])
	}
	return s.best()
}

// suggestions is the state of one Suggest.
type suggestions struct {
	gazetteer *Gazetteer
	prefix    Prefix
	most      int              // candidates to collect
	found     map[int]float64  // by reference: its score, without the reader's situation
	scores    []float64        // of the candidates, the highest first, no more than most
	areas     map[int][]string // the words of areas that were looked at, which many candidates lie in
}

// byName collects the most prominent places whose name begins with key. Where
// areas are given, the name has to end there or go on with another word, and each
// of areas begins the name of an area that the place lies in.
func (s *suggestions) byName(key string, areas []string) {
	index := s.gazetteer.prefixes
	placed := 0
	index.Names(index.Range(key), s.least(), s.blocks(), func(name []byte, all []packed.Posting) float64 {
		whole := len(name) == len(key)
		if areas != nil && !whole && name[len(key)] != ' ' {
			return s.least()
		}
		for _, p := range all {
			if placed++; areas != nil && placed > maxPlaced {
				return math.Inf(1)
			}
			switch {
			case whole:
				s.add(p, wholeName, areas)
			case p.Kind != packed.Weak && p.Kind != packed.Code:
				s.add(p, 0, areas)
			}
		}
		return s.least()
	})
}

// byWord collects the most prominent places of which a later word begins with key.
func (s *suggestions) byWord(key string) {
	s.gazetteer.prefixes.Words(key, s.least()+innerWord, s.blocks(), func(_ []byte, all []packed.Posting) float64 {
		for _, p := range all {
			if p.Kind == packed.Main || p.Kind == packed.Near {
				s.add(p, -innerWord, nil)
			}
		}
		return s.least() + innerWord
	})
}

// around collects what is near the reader, and what is in countries that are too
// small to be among the most prominent.
func (s *suggestions) around(key string) {
	f, index := s.gazetteer.file, s.gazetteer.prefixes
	in := index.Range(key)
	look := func(p geo.Point, metres float64) {
		f.Within(p, metres, maxVisited, func(i int) {
			if name := index.MainName(i); in.From <= name && name < in.To {
				s.add(packed.Posting{Ref: f.Areas() + i, Kind: packed.Main}, 0, nil)
			}
		})
	}
	s.scores = nil // whatever is found here counts
	if s.prefix.Near != nil {
		look(*s.prefix.Near, nearReach)
	}
	if !s.fewCountries() {
		return
	}
	for _, code := range s.prefix.CountryCodes {
		if country, ok := s.gazetteer.countryOf(code); ok {
			a := f.Area(country)
			corner := geo.Point{Lat: a.Box.North, Lon: a.Box.East}
			look(a.Point, geo.Distance(a.Point, corner))
		}
	}
}

// fewCountries reports whether only so few countries count that each is looked
// through.
func (s *suggestions) fewCountries() bool {
	n := len(s.prefix.CountryCodes)
	return n > 0 && n <= maxCountries
}

// blocks is how many blocks of names may be opened in one pass over them.
func (s *suggestions) blocks() int {
	if s.fewCountries() {
		return maxBlocksOfCountries
	}
	return math.MaxInt
}

// least is the score below which a candidate is of no use.
func (s *suggestions) least() float64 {
	if len(s.scores) < s.most {
		return math.Inf(-1)
	}
	return s.scores[len(s.scores)-1]
}

// add takes a candidate that fits.
func (s *suggestions) add(p packed.Posting, bonus float64, areas []string) {
	if !s.inCountries(p.Ref) {
		return
	}
	score := prominence.Of(s.gazetteer.file, p) + bonus
	before, known := s.found[p.Ref]
	switch {
	case score <= s.least(), known && score <= before, areas != nil && !s.liesIn(p.Ref, areas):
		return
	}
	s.found[p.Ref] = score
	if !known {
		at, _ := slices.BinarySearchFunc(s.scores, score, func(a, b float64) int { return cmp.Compare(b, a) })
		s.scores = slices.Insert(s.scores, at, score)
		s.scores = s.scores[:min(len(s.scores), s.most)]
	}
}

func (s *suggestions) inCountries(ref int) bool {
	if len(s.prefix.CountryCodes) == 0 {
		return true
	}
	f, area := s.gazetteer.file, ref
	if ref >= f.Areas() {
		area = f.PlaceArea(ref - f.Areas())
	}
	return slices.ContainsFunc(s.prefix.CountryCodes, func(code string) bool { return f.InCountry(area, code) })
}

// liesIn reports whether each word begins a word in the name of an area that ref
// lies in, or is its code.
func (s *suggestions) liesIn(ref int, words []string) bool {
	var names []string
	s.gazetteer.ancestors(ref, func(area int) bool {
		names = append(names, s.wordsOf(area)...)
		return true
	})
	return !slices.ContainsFunc(words, func(word string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, word) })
	})
}

// wordsOf returns the words in the name of an area, folded, and its code.
func (s *suggestions) wordsOf(area int) []string {
	words, known := s.areas[area]
	if !known {
		words = append(strings.Fields(fold.Key(s.gazetteer.file.Area(area).Name)), s.gazetteer.file.AreaCode(area))
		if s.areas == nil {
			s.areas = map[int][]string{}
		}
		s.areas[area] = words
	}
	return words
}

// best ranks the candidates for the reader and decodes the first of them.
func (s *suggestions) best() []Match {
	g := s.gazetteer
	home, spoken := g.readers(s.prefix.Languages)
	type candidate struct {
		ref  int
		rank float64
	}
	candidates := make([]candidate, 0, len(s.found))
	for ref, score := range s.found {
		if p := s.prefix.Near; p != nil {
			score += nearBonus / (1 + geo.Distance(*p, g.point(ref))/nearMetres)
		}
		switch code := g.file.AreaCode(g.country(ref)); {
		case code == home:
			score += homeBonus
		case spoken != "" && g.languages()[code] == spoken:
			score += spokenBonus
		}
		candidates = append(candidates, candidate{ref, score})
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.ref, b.ref))
	})
	matches := make([]Match, 0, s.prefix.Limit)
	seen := map[string]bool{}
	for _, c := range candidates {
		if len(matches) == s.prefix.Limit {
			break
		}
		m := g.match(c.ref)
		if label := m.label(); !seen[label] {
			seen[label] = true
			matches = append(matches, m)
		}
	}
	return matches
}

// label is how m reads in English.
func (m Match) label() string {
	names := make([]string, 1, len(m.Areas)+1)
	names[0] = m.Name
	for _, a := range m.Areas {
		names = append(names, a.Name)
	}
	return strings.Join(slices.Compact(names), ", ")
}

// readers returns the country that the reader's first language names, and the
// language; "" where there is none.
func (g *Gazetteer) readers(l Languages) (home, spoken string) {
	if len(l) == 0 {
		return "", ""
	}
	base, _ := l[0].Base()
	if region, confidence := l[0].Region(); confidence == language.Exact {
		home = strings.ToLower(region.String())
	}
	return home, base.String()
}

// newLanguages returns the function that tells, by country, which language most
// read there, from Unicode CLDR. The table is made when it is first needed.
func newLanguages(f *packed.File) func() map[string]string {
	return sync.OnceValue(func() map[string]string {
		table := map[string]string{}
		for i := range f.Areas() {
			if f.AreaLevel(i) != packed.Country {
				break // they come first
			}
			if tag, err := language.Parse("und-" + f.AreaCode(i)); err == nil {
				base, _ := tag.Base()
				table[f.AreaCode(i)] = base.String()
			}
		}
		return table
	})
}

// countryOf finds a country by its code in lower case.
func (g *Gazetteer) countryOf(code string) (area int, ok bool) {
	for i := range g.file.Areas() {
		if g.file.AreaLevel(i) != packed.Country {
			break
		}
		if g.file.AreaCode(i) == code {
			return i, true
		}
	}
	return 0, false
}

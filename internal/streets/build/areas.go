package build

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/pbf"
	"geogate/internal/streets/words"
)

// area is a boundary, a place or a country.
type area struct {
	osmType   byte // 0 for a country that the extract lacks
	id        int64
	at        packed.Point
	box       box
	roles     roles
	tags      []pbf.Tag
	lines     [][]packed.Point
	shape     uint32
	level     int   // admin_level, 0 for places
	rank      uint8 // rank_search
	addr      uint8 // rank_address
	placeType string
	country   string // code, for countries
	closed    bool   // has an outline
	names     []string
	context   uint32
}

func (a *area) tag(key string) string { return valueOf(a.tags, key) }

// makeAreas collects boundaries, places and countries. A place that is the
// label of a boundary becomes part of it.
func (b *builder) makeAreas() {
	for i := range b.elements {
		e := &b.elements[i]
		if !e.roles.boundary && !e.roles.place {
			continue
		}
		a := area{osmType: e.osmType(), id: e.id(), at: e.at, box: e.box, roles: e.roles, tags: b.tagsOf(nil, e)}
		if a.osmType != 'N' {
			a.shape, a.lines = e.shape, packed.Lines(b.lines.get(e.shape))
			a.closed = closed(a.lines)
		}
		if a.roles.boundary {
			a.level, _ = strconv.Atoi(a.tag("admin_level"))
			if a.level < 2 || a.level > 11 {
				b.skipped++
				continue
			}
			a.rank = uint8(2 * a.level)
			a.addr = a.rank
			a.country = countryCode(&a)
		} else {
			ranks := placeRanks[a.tag("place")]
			a.rank, a.addr = ranks[0], ranks[1]
		}
		a.placeType = a.tag("place")
		a.names = namesOf(a.tags)
		b.areas = append(b.areas, a)
	}
	b.linkPlaces()
	b.addCountries()
	slices.SortStableFunc(b.areas, func(x, y area) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(y.population(), x.population()),
			cmp.Compare(packed.IDKey(x.osmType, x.id), packed.IDKey(y.osmType, y.id)))
	})
	b.countries = map[string]int{}
	for i, a := range b.areas {
		if a.country != "" {
			b.countries[a.country] = i
		}
	}
	b.areaIndex = indexAreas(b.areas)
	b.places = indexPlaces(b.areas)
	for i := range b.areas {
		b.areas[i].context = b.contexts.add(b.contextOf(b.areas[i].at, i, nil))
	}
}

func closed(lines [][]packed.Point) bool {
	for _, l := range lines {
		if len(l) < 4 || l[0] != l[len(l)-1] {
			return false
		}
	}
	return len(lines) > 0
}

func countryCode(e *area) string {
	if e.tag("admin_level") != "2" {
		return ""
	}
	for _, key := range []string{"ISO3166-1:alpha2", "ISO3166-1", "country_code_iso3166_1_alpha_2"} {
		if code := e.tag(key); len(code) == 2 {
			return strings.ToLower(code)
		}
	}
	return ""
}

func (a *area) population() int {
	n, _ := strconv.Atoi(a.tag("population"))
	return n
}

// linkPlaces merges into boundaries the places that they surround.
func (b *builder) linkPlaces() {
	named := map[string][]int{} // places by their main name
	for i := range b.areas {
		if p := &b.areas[i]; p.osmType == 'N' && p.level == 0 && len(p.names) > 0 {
			named[p.names[0]] = append(named[p.names[0]], i)
		}
	}
	linked := map[int64]bool{}
	for i := range b.areas {
		b.link(&b.areas[i], named, linked)
	}
	b.areas = slices.DeleteFunc(b.areas, func(a area) bool { return a.osmType == 'N' && linked[a.id] })
}

// link finds the place that a boundary surrounds: its label or its centre of
// the same name, or a place of the same name inside.
func (b *builder) link(a *area, named map[string][]int, linked map[int64]bool) {
	if a.level < 3 || !a.closed || a.placeType != "" {
		return
	}
	var places []int
	for _, n := range a.names {
		places = append(places, named[n]...)
	}
	slices.Sort(places)
	labels := b.labels[packed.IDKey('R', a.id)]
	for _, j := range places {
		p := &b.areas[j]
		if linked[p.id] {
			continue
		}
		if !slices.Contains(labels, p.id) && (p.addr > 20 || p.addr < 14 || a.level < 6 || !a.box.holds(p.at) || !inside(a.lines, p.at)) {
			continue
		}
		linked[p.id] = true
		a.placeType = p.placeType
		a.at = p.at
		a.names = append(a.names, p.names...)
		a.tags = append(a.tags, pbf.Tag{Key: "linked_place", Value: p.placeType})
		return
	}
}

// addCountries adds the countries that the areas lie in and whose boundaries
// the extract lacks. Their names are Unicode's.
func (b *builder) addCountries() {
	have := map[string]bool{}
	for i := range b.areas {
		have[b.areas[i].country] = b.areas[i].country != ""
	}
	if b.Country == nil {
		return
	}
	asked := map[[2]int32]bool{}
	for i := range b.elements {
		at := b.elements[i].at
		cell := [2]int32{at.Lat >> 22, at.Lon >> 22}
		if asked[cell] {
			continue
		}
		asked[cell] = true
		code := b.Country(float64(at.Lat)*1e-7, float64(at.Lon)*1e-7)
		if code == "" || have[code] {
			continue
		}
		have[code] = true
		if c, ok := country(code); ok {
			c.at, c.box = at, boxOf(at)
			b.areas = append(b.areas, c)
		}
	}
}

// countryLanguages are the languages that names of countries are added in,
// besides the country's own.
var countryLanguages = []string{"en", "de", "fr", "es", "it", "pt", "ca", "nl", "pl", "ru", "uk", "tr", "ar", "zh", "ja"}

func country(code string) (area, bool) {
	region, err := language.ParseRegion(code)
	if err != nil {
		return area{}, false
	}
	own := language.Make("und-" + strings.ToUpper(code))
	base, _ := own.Base()
	a := area{rank: 4, addr: 4, level: 2, country: code, placeType: "country"}
	name := func(lang string) string {
		if names := display.Regions(language.Make(lang)); names != nil {
			return names.Name(region)
		}
		return ""
	}
	if n := name(base.String()); n != "" {
		a.tags = append(a.tags, pbf.Tag{Key: "name", Value: n})
	} else {
		a.tags = append(a.tags, pbf.Tag{Key: "name", Value: name("en")})
	}
	for _, lang := range countryLanguages {
		if n := name(lang); n != "" {
			a.tags = append(a.tags, pbf.Tag{Key: "name:" + lang, Value: n})
		}
	}
	a.tags = append(a.tags, pbf.Tag{Key: "place", Value: "country"})
	a.names = namesOf(a.tags)
	return a, true
}

// namesOf are the folded names of something, the main one first.
func namesOf(tags []pbf.Tag) []string {
	var names []string
	add := func(value string) {
		for part := range strings.SplitSeq(value, ";") {
			if f := folded(part); f != "" && !slices.Contains(names, f) {
				names = append(names, f)
			}
		}
	}
	for _, t := range tags {
		if t.Key == "name" {
			add(t.Value)
		}
	}
	for _, t := range tags {
		if nameKey(t.Key) && t.Key != "name" {
			add(t.Value)
		}
	}
	return names
}

// folded is the words of a name with blanks between them.
func folded(name string) string {
	var list [16]words.Word
	var b strings.Builder
	for i, w := range words.Split(list[:0], name) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.Text)
	}
	return b.String()
}

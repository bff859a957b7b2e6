package gazetteer

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Languages are what a reader understands, best first. Nil is English, the
// language of most names in the data.
type Languages []language.Tag

// ParseLanguages reads the value of an Accept-Language header. What it cannot
// read is skipped: "undefined" is what careless scripts send.
func ParseLanguages(header string) Languages {
	type weighted struct {
		tag language.Tag
		q   float32
	}
	var all []weighted
	for part := range strings.SplitSeq(header, ",") {
		tags, q, err := language.ParseAcceptLanguage(part)
		if err == nil && len(tags) == 1 {
			all = append(all, weighted{tags[0], q[0]})
		}
	}
	slices.SortStableFunc(all, func(a, b weighted) int { return cmp.Compare(b.q, a.q) })
	var l Languages
	for _, w := range all {
		l = append(l, w.tag)
	}
	return l
}

// country is the name of a country in the first language that has one, from
// Unicode CLDR, or else the given name.
func (l Languages) country(code, name string) string {
	region, err := language.ParseRegion(code)
	if err != nil || display.English.Regions().Name(region) != name { // renamed since CLDR's names
		return name
	}
	for _, tag := range l {
		if base, _ := tag.Base(); base.String() == "en" {
			return name
		}
		names := display.Regions(tag)
		if names == nil {
			continue
		}
		if localized := names.Name(region); localized != "" {
			return localized
		}
	}
	return name
}

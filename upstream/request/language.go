package request

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// languages returns the languages of the request: a non-empty parameter beats
// the header. They are read as Nominatim reads them: malformed tags and "*"
// are skipped, the others sorted by weight, equal ones in their order.
func (c *reading) languages(header string) string {
	list, _ := c.last("accept-language")
	if list == "" {
		list = header
	}
	if list == "" {
		return ""
	}
	type weighted struct {
		tag    string
		weight float64
	}
	var room [16]weighted
	langs := room[:0]
	for desc := range strings.SplitSeq(list, ",") {
		tag, weight, ok := parseLanguage(desc)
		if ok {
			langs = append(langs, weighted{tag, weight})
		}
	}
	slices.SortStableFunc(langs, func(a, b weighted) int { return cmp.Compare(b.weight, a.weight) })
	var out []byte
	for i, l := range langs {
		if slices.ContainsFunc(langs[:i], func(w weighted) bool { return w.tag == l.tag }) {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, l.tag...)
	}
	return string(out)
}

// parseLanguage reads "tag" or "tag;q=weight". The tag has ASCII letters, '_'
// and '-' only, and no space may follow it before the semicolon.
func parseLanguage(desc string) (tag string, weight float64, ok bool) {
	desc = trimSpace(desc)
	tag, param, weighted := strings.Cut(desc, ";")
	if tag == "" {
		return "", 0, false
	}
	for i := range len(tag) {
		c := tag[i] | 0x20
		if (c < 'a' || c > 'z') && tag[i] != '_' && tag[i] != '-' {
			return "", 0, false
		}
	}
	if !weighted {
		return tag, 1, true
	}
	name, value, found := strings.Cut(param, "=")
	name = trimSpace(name)
	value = trimSpace(value)
	if !found || name != "q" && name != "Q" || value == "" || value[0] != '0' && value[0] != '1' {
		return "", 0, false
	}
	if rest := value[1:]; rest != "" && (len(rest) < 2 || rest[0] != '.' || strings.Trim(rest[1:], "0123456789") != "") {
		return "", 0, false
	}
	weight, err := strconv.ParseFloat(value, 64)
	return tag, weight, err == nil
}

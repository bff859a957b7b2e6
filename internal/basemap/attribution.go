package basemap

import (
	"html"
	"regexp"
	"strings"
)

// maxAttribution is the length in bytes from which on an attribution is cut.
const maxAttribution = 1000

var (
	tags  = regexp.MustCompile(`<[^>]*>`)
	links = regexp.MustCompile(`(?i)^<a\s.*?href\s*=\s*["']?(https?://[^"'\s<>]+)`)
)

// plainLinks returns HTML with its text and its links and nothing else: maps show
// attributions as HTML, and this one is somebody else's.
func plainLinks(markup string) string {
	if len(markup) > maxAttribution {
		markup = strings.ToValidUTF8(markup[:maxAttribution], "")
	}
	var out strings.Builder
	text := func(s string) { out.WriteString(html.EscapeString(html.UnescapeString(s))) }
	open, at := 0, 0 // links that are open; what has been written
	for _, place := range tags.FindAllStringIndex(markup, -1) {
		text(markup[at:place[0]])
		at = place[1]
		tag := markup[place[0]:place[1]]
		if link := links.FindStringSubmatch(tag); link != nil {
			out.WriteString(`<a href="` + html.EscapeString(html.UnescapeString(link[1])) + `" target="_blank" rel="noopener">`)
			open++
		} else if strings.EqualFold(tag, "</a>") && open > 0 {
			out.WriteString("</a>")
			open--
		}
	}
	text(markup[at:])
	return out.String() + strings.Repeat("</a>", open)
}

package streets

import (
	"context"
	"strings"
	"unicode/utf8"

	"geogate/internal/place"
	"geogate/internal/streets/words"
)

// Suggest finds what a question that is still being typed may become. Its last
// word is taken for the beginning of one, unless something that ends a word
// follows it. Of places that read alike only the first is given. The error is
// that of a damaged file or of ctx.
func (o Files) Suggest(ctx context.Context, q Query, languages Languages) (list []place.Place, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	last, _ := utf8.DecodeLastRuneInString(q.Text)
	q.Prefix = words.Letter(last)
	q.Limit = 2 * limit // some of them read alike
	found, err := o.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	read := make(map[string]bool, len(found))
	for _, m := range found {
		if len(list) == limit {
			break
		}
		p := m.Place(Details{Languages: languages})
		if name := strings.ToLower(p.DisplayName); !read[name] {
			read[name] = true
			list = append(list, p)
		}
	}
	return list, nil
}

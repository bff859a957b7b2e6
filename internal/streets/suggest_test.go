package streets

import (
	"context"
	"errors"
	"strings"
	"testing"

	"geogate/internal/geo"
)

func TestSuggestCompletesTheLastWord(t *testing.T) {
	files := Files{open(t, "mc")}
	for _, tt := range []struct {
		text string
		near *geo.Point
		want string // is in the first answer
	}{
		{"boulevard de sui", nil, "Boulevard de Suisse"},
		{"25 boulevard de sui", nil, "25, Boulevard de Suisse"},
		{"boulevard de suisse", nil, "Boulevard de Suisse"},
		{"boulevard de suisse, mon", nil, "Boulevard de Suisse"},
		{"boulevard de sui ", nil, ""}, // the word is ended
		{"monte-c", nil, "Monte-Carlo"},
		{"schlossal", nil, ""},
		{"", nil, ""},
	} {
		list, err := files.Suggest(t.Context(), Query{Text: tt.text, Near: tt.near, Limit: 5}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		seen := map[string]bool{}
		for i, p := range list {
			if i == 0 {
				got = p.DisplayName
			}
			if seen[p.DisplayName] {
				t.Errorf("Suggest(%q) gives %q twice", tt.text, p.DisplayName)
			}
			seen[p.DisplayName] = true
		}
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" || len(list) > 5 {
			t.Errorf("Suggest(%q) = %d places, first %q, want %q", tt.text, len(list), got, tt.want)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := files.Suggest(gone, Query{Text: "rue"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Suggest after its caller left: %v", err)
	}
}

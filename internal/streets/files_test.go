package streets

import "testing"

// TestWordsOfAnotherFileAreNoSlips asks Monaco's file for a word that it lacks
// and that is one slip from one of its own.
func TestWordsOfAnotherFileAreNoSlips(t *testing.T) {
	monaco := open(t, "mc")
	for _, tt := range []struct {
		name   string
		others uint32
		finds  bool
	}{
		{"nobody knows it", 0, true},
		{"another file knows it", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := monaco.begin(Query{Text: "fontvielle"}, nil)
			defer x.end()
			x.runSlips(tt.others)
			list, err := x.matches()
			if err != nil {
				t.Fatal(err)
			}
			if found := len(list) > 0; found != tt.finds {
				t.Errorf("finds %d places, want any: %t", len(list), tt.finds)
			}
		})
	}
}

// TestHopelessQuestionsHaveNoAnswer searches all the same where a search is
// given up at once.
func TestHopelessQuestionsHaveNoAnswer(t *testing.T) {
	monaco := open(t, "mc")
	hopeless := 0
	for _, q := range questions(t) {
		if q.Set == "reverse" {
			continue
		}
		x := monaco.begin(queryOf(q), nil)
		if x.hopeless(0) {
			hopeless++
			x.collect()
			x.bound()
			for _, c := range x.candidates {
				x.rate(c)
			}
			if len(x.results) > 0 {
				t.Errorf("%s has %d answers", q, len(x.results))
			}
		}
		x.end()
	}
	if hopeless < 500 {
		t.Errorf("%d questions were given up, want most of those about other countries", hopeless)
	}
}

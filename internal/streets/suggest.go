package streets

// Suggest finds what a question that is still being typed may become: its last
// word is the beginning of one. Answers are those of Search.
func (s *Streets) Suggest(prefix string, q Query) ([]Match, error) {
	q.Text, q.Prefix = prefix, true
	return s.Search(q)
}

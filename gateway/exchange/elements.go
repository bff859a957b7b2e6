package exchange

import "iter"

// CountElements counts the elements of the JSON array in body, and stops as soon
// as there are more than most. It holds nothing.
func CountElements(body []byte, most int) (n int) {
	for range Elements(body) {
		if n++; n > most {
			break
		}
	}
	return n
}

// Elements yields the elements of the JSON array in body one by one, each a part
// of body. An element may not be valid JSON; the array ended where none follows.
// ok is false, with the last of them, where body is no whole array.
func Elements(body []byte) iter.Seq2[[]byte, bool] {
	return func(yield func(element []byte, ok bool) bool) {
		s := scanner{rest: body}
		if s.peek() != '[' {
			yield(nil, false)
			return
		}
		s.rest = s.rest[1:]
		for first := true; s.next(']', first); first = false {
			s.peek()
			before := s.rest
			s.skip()
			if s.failed {
				break
			}
			if !yield(before[:len(before)-len(s.rest)], true) {
				return
			}
		}
		if !s.failed {
			if s.peek(); s.failed { // nothing follows, as it should be
				return
			}
		}
		yield(nil, false)
	}
}

// skip passes over one value of any depth without calling itself.
func (s *scanner) skip() {
	depth := 0
	for {
		switch s.peek() {
		case '{', '[':
			depth++
			s.rest = s.rest[1:]
		case '}', ']':
			depth--
			s.rest = s.rest[1:]
		case '"':
			s.text()
		case ',', ':':
			s.failed = s.failed || depth == 0
			if len(s.rest) > 0 {
				s.rest = s.rest[1:]
			}
		default:
			_ = s.value(nil, 0) // a number or a word
		}
		if s.failed || depth < 0 {
			s.failed = true
			return
		}
		if depth == 0 {
			return
		}
	}
}

package exchange

import "iter"

// Array looks at JSON as it comes in, so that what is no array, or has too many
// elements, can be refused before it is in memory. The zero value has seen nothing.
type Array struct {
	begun, filled   bool // a value, an element of it has been seen
	is              bool // the value is an array
	depth, commas   int
	inText, escaped bool
}

// Look takes the next part of the JSON.
func (a *Array) Look(part []byte) {
	for _, c := range part {
		switch {
		case a.escaped:
			a.escaped = false
		case a.inText:
			a.escaped, a.inText = c == '\\', c != '"'
		default:
			a.see(c)
		}
	}
}

// see takes a byte outside of texts.
func (a *Array) see(c byte) {
	if isSpace(c) {
		return
	}
	if !a.begun {
		a.begun, a.is = true, c == '['
	} else if a.depth == 1 && c != ']' {
		a.filled = true
	}
	switch c {
	case '"':
		a.inText = true
	case '[', '{':
		a.depth++
	case ']', '}':
		a.depth--
	case ',':
		if a.depth == 1 {
			a.commas++
		}
	}
}

// Is reports whether the JSON is an array, as far as it has been seen.
func (a *Array) Is() bool { return a.is }

// Elements is how many elements the array has: so far at least, and exactly so many
// once all of it has been seen, if it is valid. It is 0 for anything else.
func (a *Array) Elements() int {
	if !a.is || !a.filled {
		return 0
	}
	return a.commas + 1
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

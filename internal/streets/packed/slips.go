package packed

import (
	"unicode/utf8"

	"github.com/blevesearch/vellum"
)

// slips accepts the words that are one slip away from a word: a letter too many,
// too few or wrong, or two neighbours swapped. It is a vellum.Automaton that
// builds nothing: a state is a number that says how much of a candidate was
// read and where in the word it may be, so every step is a few comparisons.
type slips struct {
	letters []rune
	leads   []byte // the first bytes of letters
}

// maxSlipLetters is the longest word of which slips are looked for. The words of
// files have at most 64 bytes.
const maxSlipLetters = 64

// A state holds flags, how many letters were read, and of a letter of several
// bytes how many are left to read and the bits so far: 5, 7, 2 and 15 bits.
const (
	exact    = 1 << iota // what was read is the word so far
	inserted             // it has a letter too many
	replaced             // it has a wrong letter, or two that are swapped
	left                 // it lacks a letter
	swapped              // its last letter is the next of the word, whose last must follow

	flags     = 1<<iota - 1
	readShift = 5
	restShift = readShift + 7
	bitsShift = restShift + 2
	readMask  = 1<<7 - 1
	restMask  = 1<<2 - 1
)

// dead is the state from which nothing is accepted.
const dead = 0

func newSlips(w string) *slips {
	s := &slips{letters: []rune(w)}
	for _, r := range s.letters {
		s.leads = append(s.leads, string(r)[0])
	}
	return s
}

// Start is part of vellum.Automaton, like the methods below.
func (s *slips) Start() int { return exact }

// CanMatch reports whether more bytes can lead to a match.
func (s *slips) CanMatch(state int) bool { return state != dead }

// WillAlwaysMatch is never so: words end.
func (s *slips) WillAlwaysMatch(int) bool { return false }

// IsMatch reports whether what was read is one slip away from the word.
func (s *slips) IsMatch(state int) bool {
	if state>>restShift&restMask != 0 {
		return false
	}
	switch n := len(s.letters); state >> readShift & readMask {
	case n + 1:
		return state&inserted != 0
	case n:
		return state&replaced != 0
	case n - 1:
		return state&(left|exact) != 0
	default:
		return false
	}
}

// Accept reads a byte.
func (s *slips) Accept(state int, b byte) int {
	f, read := state&flags, state>>readShift&readMask
	if rest := state >> restShift & restMask; rest > 0 {
		bits := state>>bitsShift<<6 | int(b&0x3F)
		if rest > 1 {
			return f | read<<readShift | (rest-1)<<restShift | bits<<bitsShift
		}
		return s.step(f, read, rune(bits))
	}
	if b < utf8.RuneSelf {
		return s.step(f, read, rune(b))
	}
	if f&exact == 0 && !s.leadsOn(f, read, b) {
		return dead
	}
	rest, bits := 1, int(b&0x1F)
	if b >= 0xF0 {
		rest, bits = 3, int(b&0x07)
	} else if b >= 0xE0 {
		rest, bits = 2, int(b&0x0F)
	}
	return f | read<<readShift | rest<<restShift | bits<<bitsShift
}

// leadsOn reports whether a letter that begins with b can be accepted by a
// state that has had its slip.
func (s *slips) leadsOn(f, read int, b byte) bool {
	is := func(i int) bool { return i >= 0 && i < len(s.leads) && s.leads[i] == b }
	return f&(inserted|swapped) != 0 && is(read-1) || f&replaced != 0 && is(read) || f&left != 0 && is(read+1)
}

// step reads a letter.
func (s *slips) step(f, read int, r rune) int {
	is := func(i int) bool { return i >= 0 && i < len(s.letters) && s.letters[i] == r }
	next := 0
	if f&exact != 0 {
		next = inserted
		if read < len(s.letters) {
			next |= replaced
		}
		if is(read) {
			next |= exact
		}
		if is(read + 1) {
			next |= left | swapped
		}
	}
	if f&(inserted|swapped) != 0 && is(read-1) {
		if f&inserted != 0 {
			next |= inserted
		}
		if f&swapped != 0 {
			next |= replaced
		}
	}
	if f&replaced != 0 && is(read) {
		next |= replaced
	}
	if f&left != 0 && is(read+1) {
		next |= left
	}
	if next == 0 || read == readMask {
		return dead
	}
	return next | (read+1)<<readShift
}

// maxSimilar is how many words a misspelled one stands for. Between words of
// letters such as a or 北 there are more, and they say nothing.
const maxSimilar = 200

// Similar calls yield with the words of the file that are one slip away from w,
// in their order.
func (f *File) Similar(w string, yield func(word uint32, text string)) {
	if len(w) > maxSlipLetters {
		return
	}
	n := 0
	f.each(newSlips(w), nil, nil, func(word uint32, text []byte) bool {
		if string(text) != w {
			yield(word, string(text))
			n++
		}
		return n < maxSimilar
	})
}

var _ vellum.Automaton = (*slips)(nil)

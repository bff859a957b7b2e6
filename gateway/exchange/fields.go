package exchange

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// maxDepth is how deep objects and arrays may lie in one another: what reads
	// them calls itself for each level.
	maxDepth = 100
	// maxElements bounds an array within a body. The longest that anybody needs is
	// a list of tags. Positions are counted by Elements.
	maxElements = 1000
	// maxShown is how many bytes of a name an error repeats.
	maxShown = 64
)

// checkFields refuses what encoding/json takes although it is ambiguous: a name
// that comes twice, of which the last would win, and a name that is not exactly
// that of a field of t, which encoding/json compares without regard to case. It
// takes time in proportion to the body and reads no more than the names. What is
// not JSON is left to encoding/json, which says where.
func checkFields(body []byte, t reflect.Type) error {
	s := scanner{rest: body}
	err := s.value(t, 0)
	if s.failed {
		return nil
	}
	return err
}

// scanner walks over JSON from value to value.
type scanner struct {
	rest   []byte
	failed bool // what follows is not JSON
}

// value passes over one value. t is the type that it will be decoded into; nil:
// one that takes anything.
func (s *scanner) value(t reflect.Type, depth int) error {
	switch s.peek() {
	case '{':
		return s.object(fieldsOf(t), depth+1)
	case '[':
		return s.array(elementOf(t), depth+1)
	case '"':
		s.text()
	default:
		end := slices.IndexFunc(s.rest, func(c byte) bool {
			return c == ',' || c == '}' || c == ']' || isSpace(c)
		})
		if end < 0 {
			end = len(s.rest)
		}
		s.failed = s.failed || end == 0
		s.rest = s.rest[end:]
	}
	return nil
}

func (s *scanner) object(fields *fields, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	s.rest = s.rest[1:]
	var seen uint64
	var free map[string]struct{} // names of an object that may have any
	for first := true; s.next('}', first); first = false {
		name := s.text()
		if s.peek() != ':' {
			s.failed = true
		}
		if s.failed {
			return nil
		}
		s.rest = s.rest[1:]
		var t reflect.Type
		if fields != nil {
			i := fields.index(name)
			switch {
			case i < 0:
				return unknownField(name, fields)
			case seen>>i&1 == 1:
				return duplicateField(name)
			}
			seen |= 1 << i
			t = fields.types[i]
		} else {
			if free == nil {
				free = map[string]struct{}{}
			}
			key := unquoted(name)
			if _, twice := free[key]; twice {
				return duplicateField(name)
			}
			free[key] = struct{}{}
		}
		if err := s.value(t, depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) array(t reflect.Type, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	s.rest = s.rest[1:]
	for n := 0; s.next(']', n == 0); n++ {
		if n == maxElements && t != nil {
			return BadRequest("array_too_long", fmt.Sprintf("an array may have at most %d elements", maxElements))
		}
		if err := s.value(t, depth); err != nil {
			return err
		}
	}
	return nil
}

// next reports whether another member follows, and passes over the comma before
// it, or over end.
func (s *scanner) next(end byte, first bool) bool {
	c := s.peek()
	switch {
	case s.failed:
		return false
	case c == end:
		s.rest = s.rest[1:]
		return false
	case first:
		return true
	case c != ',':
		s.failed = true
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// peek passes over white space and returns the byte behind it.
func (s *scanner) peek() byte {
	i := 0
	for i < len(s.rest) && isSpace(s.rest[i]) {
		i++
	}
	s.rest = s.rest[i:]
	if len(s.rest) == 0 {
		s.failed = true
		return 0
	}
	return s.rest[0]
}

// text passes over a string and returns it with its quotes.
func (s *scanner) text() []byte {
	if s.peek() != '"' {
		s.failed = true
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			quoted := s.rest[:i+1]
			s.rest = s.rest[i+1:]
			return quoted
		}
	}
	s.failed = true
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// fields are those of a struct, as encoding/json knows them.
type fields struct {
	names []string
	types []reflect.Type
}

// index is the place of a name in quotes; -1 when there is no such field.
func (f *fields) index(quoted []byte) int {
	plain := quoted[1 : len(quoted)-1]
	for i, name := range f.names {
		if string(plain) == name {
			return i
		}
	}
	if slices.Contains(plain, '\\') {
		return slices.Index(f.names, unquoted(quoted))
	}
	return -1
}

var knownTypes sync.Map // of reflect.Type to *fields

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// fieldsOf returns nil for what is not a struct, or reads itself.
func fieldsOf(t reflect.Type) *fields {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	if known, found := knownTypes.Load(t); found {
		return known.(*fields)
	}
	f := &fields{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			f.names, f.types = append(f.names, name), append(f.types, field.Type)
		}
	}
	if len(f.names) > bits.UintSize {
		panic("a body with more fields than bits: " + t.String())
	}
	knownTypes.Store(t, f)
	return f
}

// elementOf returns nil for what is not a slice, or reads itself.
func elementOf(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Slice || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	return t.Elem()
}

func unquoted(quoted []byte) string {
	var name string
	if json.Unmarshal(quoted, &name) != nil {
		return string(quoted) // no string; encoding/json says so
	}
	return name
}

// shown is a name as an error repeats it: what a client made up does not grow.
func shown(quoted []byte) string {
	name := unquoted(quoted)
	if len(name) > maxShown {
		name = strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	return strconv.Quote(name)
}

var errTooDeep = BadRequest("invalid_json", fmt.Sprintf("objects and arrays lie more than %d deep in one another", maxDepth))

func unknownField(quoted []byte, fields *fields) error {
	return NewProblem(http.StatusBadRequest, "unknown_field", "unknown field "+shown(quoted)).
		WithHint("known are " + strings.Join(fields.names, ", "))
}

func duplicateField(quoted []byte) error {
	return BadRequest("duplicate_field", "the field "+shown(quoted)+" is given more than once")
}

package streets

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"geogate/internal/streets/packed"
)

// Files are the open files of a library.
type Files []*Streets

// Search asks all files and sorts their answers.
func (o Files) Search(ctx context.Context, q Query) (all []Match, err error) {
	asked := parsed.Get().(*question)
	defer parsed.Put(asked)
	asked.parse(&q)
	begun := make([]*search, 0, MaxFiles)
	defer func() {
		for _, x := range begun {
			x.end()
		}
	}()
	understood, known := false, uint32(0)
	for i, s := range o {
		if err := ctx.Err(); err != nil {
			return nil, err //nolint:wrapcheck // the caller left
		}
		mine := q
		mine.Exclude = idsOf(q.Exclude, i)
		x := s.begin(mine, asked)
		begun = append(begun, x)
		understood = understood || x.understood()
		known |= x.found()
	}
	// A word that one file knows is no slip in the others, unless nothing is found.
	for _, others := range [...]uint32{known, 0} {
		for i, x := range begun {
			if err := ctx.Err(); err != nil {
				return nil, err //nolint:wrapcheck // the caller left
			}
			if !understood {
				x.runSlips(others)
			}
			list, err := x.matches()
			if err != nil {
				return nil, err
			}
			all = append(all, numbered(list, i)...)
		}
		if understood || len(all) > 0 {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	all = withoutTwins(all)
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return all[:min(len(all), limit)], nil
}

// withoutTwins drops what a better answer of another file has, too: extracts
// overlap at their borders.
func withoutTwins(sorted []Match) []Match {
	kept := sorted[:0]
	for _, m := range sorted {
		if !slices.ContainsFunc(kept, m.twin) {
			kept = append(kept, m)
		}
	}
	return kept
}

// twin reports whether both are the same element, and the same house of it, in
// different files.
func (m Match) twin(o Match) bool {
	if m.streets == o.streets || (m.house == 0) != (o.house == 0) {
		return false
	}
	a, b := m.entry(), o.entry()
	return a.osmType != 0 && a == b
}

// entry is what a match is in OpenStreetMap.
type entry struct {
	osmType byte
	id      int64
	number  uint32 // the hash of a house's number
}

func (m Match) entry() (e entry) {
	f := m.streets.file
	object := f.Doc(m.doc).Object
	if m.house != 0 {
		h := f.House(m.house - 1)
		object, e.number = h.Object, h.Number
	}
	e.osmType, e.id = f.Element(object)
	return e
}

// parsed are questions, cut into terms once for all files, in memory that is used again.
var parsed = sync.Pool{New: func() any { return &question{} }}

// Reverse finds the place at a position; found is false where no file knows one.
// The error is that of a damaged file.
func (o Files) Reverse(q ReverseQuery) (m Match, found bool, err error) {
	m, found, err = o.reverse(q)
	if found {
		m.ID = m.ID<<fileBits | int64(slices.Index(o, m.streets))
	}
	return m, found, err
}

// Lookup finds an element of OpenStreetMap; osmType is N, W or R.
func (o Files) Lookup(osmType byte, id int64) (Match, bool) {
	for i, s := range o {
		if m, ok := s.Lookup(osmType, id); ok {
			m.ID = m.ID<<fileBits | int64(i)
			return m, true
		}
	}
	return Match{}, false
}

// ByID finds a place by the id of an answer.
func (o Files) ByID(id int64) (Match, bool) {
	i := int(id & (MaxFiles - 1))
	if i >= len(o) {
		return Match{}, false
	}
	m, ok := o[i].ByID(id >> fileBits)
	m.ID = id
	return m, ok
}

// Info sums up the files: the oldest date counts.
func (o Files) Info() (sum packed.Info) {
	for i, s := range o {
		in := s.Info()
		if i == 0 || in.Date.Before(sum.Date) {
			sum.Date = in.Date
		}
		sum.Areas += in.Areas
		sum.PostCodes += in.PostCodes
		sum.Streets += in.Streets
		sum.POIs += in.POIs
		sum.Houses += in.Houses
		sum.Skipped += in.Skipped
	}
	return sum
}

func numbered(list []Match, file int) []Match {
	for i := range list {
		list[i].ID = list[i].ID<<fileBits | int64(file)
	}
	return list
}

func idsOf(ids []int64, file int) (mine []int64) {
	for _, id := range ids {
		if int(id&(MaxFiles-1)) == file {
			mine = append(mine, id>>fileBits)
		}
	}
	return mine
}

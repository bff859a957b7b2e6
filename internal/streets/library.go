package streets

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"geogate/internal/streets/packed"
)

// MaxFiles is the most files that a library holds.
const MaxFiles = 1 << fileBits

// fileBits of an id say which file it is of.
const fileBits = 4

// Library is several files that are searched as one. It notices within a
// second, at the next question, that a file was replaced, and reads the new
// one; a new file that cannot be read leaves the old one in use. Questions that
// are being answered finish on the file that they began with. It is safe for
// concurrent use.
type Library struct {
	mu    sync.RWMutex
	files []shelf
	next  atomic.Int64 // when to look again, in nanoseconds
	now   func() time.Time
	wrong atomic.Pointer[error]
}

type shelf struct {
	path    string
	stamp   os.FileInfo
	streets *Streets
}

// lookEvery is how often a library looks for new files.
const lookEvery = time.Second

// OpenLibrary opens files. Close gives them back.
func OpenLibrary(paths ...string) (*Library, error) {
	if len(paths) == 0 || len(paths) > MaxFiles {
		return nil, fmt.Errorf("open streets: want 1 to %d files, have %d", MaxFiles, len(paths))
	}
	l := &Library{now: time.Now}
	for _, path := range paths {
		s, stamp, err := openStamped(path)
		if err != nil {
			return nil, cmp.Or(err, l.Close())
		}
		l.files = append(l.files, shelf{path, stamp, s})
	}
	l.next.Store(l.now().Add(lookEvery).UnixNano())
	return l, nil
}

func openStamped(path string) (*Streets, os.FileInfo, error) {
	stamp, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open streets: %w", err)
	}
	s, err := Open(path)
	return s, stamp, err
}

// Close gives the files back.
func (l *Library) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for _, f := range l.files {
		first = cmp.Or(first, f.streets.Close())
	}
	l.files = nil
	return first
}

// Err tells why a new file could not be read; nil when all is well.
func (l *Library) Err() error {
	if err := l.wrong.Load(); err != nil {
		return *err
	}
	return nil
}

// reload reads the files that were replaced. A file is replaced by renaming:
// one that is written in place changes under its readers.
func (l *Library) reload() {
	now := l.now().UnixNano()
	due := l.next.Load()
	if now < due || !l.next.CompareAndSwap(due, now+int64(lookEvery)) {
		return
	}
	l.mu.RLock()
	files := slices.Clone(l.files)
	l.mu.RUnlock()
	l.wrong.Store(nil)
	for i, f := range files {
		stamp, err := os.Stat(f.path)
		if err == nil && os.SameFile(stamp, f.stamp) && stamp.ModTime().Equal(f.stamp.ModTime()) && stamp.Size() == f.stamp.Size() {
			continue
		}
		s, stamp, err := openStamped(f.path)
		if err != nil {
			l.wrong.Store(&err)
			continue
		}
		l.mu.Lock()
		if i < len(l.files) {
			old := l.files[i].streets
			l.files[i] = shelf{f.path, stamp, s}
			_ = old.Close() // nobody reads it: the lock is ours
		}
		l.mu.Unlock()
	}
}

// Reload looks for new files at once.
func (l *Library) Reload() {
	l.next.Store(0)
	l.reload()
}

// Use calls do with the files of the library as they are now. What do keeps of
// them must not be used after it returned.
func (l *Library) Use(do func(Files) error) error {
	l.reload()
	l.mu.RLock()
	defer l.mu.RUnlock()
	open := make(Files, len(l.files))
	for i, f := range l.files {
		open[i] = f.streets
	}
	return do(open)
}

// Files are the open files of a library.
type Files []*Streets

// Search asks all files and sorts their answers.
func (o Files) Search(ctx context.Context, q Query) ([]Match, error) {
	var all []Match
	for i, s := range o {
		if err := ctx.Err(); err != nil {
			return nil, err //nolint:wrapcheck // the caller left
		}
		mine := q
		mine.Exclude = idsOf(q.Exclude, i)
		list, err := s.Search(mine)
		if err != nil {
			return nil, err
		}
		all = append(all, numbered(list, i)...)
	}
	slices.SortStableFunc(all, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return all[:min(len(all), limit)], nil
}

// Reverse asks all files; the finest answer counts, then the nearest.
func (o Files) Reverse(q ReverseQuery) (best Match, found bool, err error) {
	for i, s := range o {
		m, ok, err := s.Reverse(q)
		if err != nil {
			return Match{}, false, err
		}
		if !ok {
			continue
		}
		m.ID = m.ID<<fileBits | int64(i)
		if rank := m.rank(); !found || rank > best.rank() || rank == best.rank() && m.Distance < best.Distance {
			best, found = m, true
		}
	}
	return best, found, nil
}

// rank is Nominatim's rank of what was found.
func (m Match) rank() uint8 {
	if m.house != 0 {
		return 30
	}
	return m.streets.file.Doc(m.doc).Rank
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

package streets

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
	// Changed, if it is set before the first question, is called after a new
	// file was read, or could not be. It must not call the library.
	Changed func(path string, date time.Time, err error)

	loading sync.Mutex   // held while files are looked at
	next    atomic.Int64 // when to look again, in nanoseconds
	now     func() time.Time

	mu      sync.RWMutex
	shelves []shelf
	version atomic.Pointer[string]
}

// shelf is a file that is open, and what was last seen under its name.
type shelf struct {
	path    string
	streets *Streets
	opened  os.FileInfo // of streets
	seen    os.FileInfo // nil when there was none
	err     error       // of what was seen
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
		stamp, err := os.Stat(path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open streets: %w", err), l.Close())
		}
		s, err := Open(path)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.shelves = append(l.shelves, shelf{path: path, streets: s, opened: stamp, seen: stamp})
	}
	l.next.Store(l.now().Add(lookEvery).UnixNano())
	l.setVersion()
	return l, nil
}

// Close gives the files back.
func (l *Library) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, f := range l.shelves {
		errs = append(errs, f.streets.Close())
	}
	l.shelves = nil
	return errors.Join(errs...)
}

// Err tells why a new file could not be read; nil when all is well.
func (l *Library) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, f := range l.shelves {
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// Version tells files of different content apart. It changes when a new file
// is read.
func (l *Library) Version() string {
	l.look()
	return *l.version.Load()
}

func (l *Library) setVersion() {
	var b strings.Builder
	for _, f := range l.shelves {
		fmt.Fprintf(&b, "%08x", f.streets.file.Sum())
	}
	version := b.String()
	l.version.Store(&version)
}

// look reads replaced files if it is time to, and nobody else does.
func (l *Library) look() {
	now := l.now().UnixNano()
	if due := l.next.Load(); now < due || !l.next.CompareAndSwap(due, now+int64(lookEvery)) {
		return
	}
	if l.loading.TryLock() {
		defer l.loading.Unlock()
		l.load(false)
	}
}

// Reload reads the files that were replaced, also those that could not be read
// before.
func (l *Library) Reload() {
	l.loading.Lock()
	defer l.loading.Unlock()
	l.load(true)
}

// load reads the files that were replaced. A file is replaced by renaming. One that
// is written in place changes under its readers: nothing is answered from it until
// it is whole again.
func (l *Library) load(again bool) {
	l.mu.RLock()
	shelves := slices.Clone(l.shelves)
	l.mu.RUnlock()
	for i, f := range shelves {
		stamp, err := os.Stat(f.path)
		if unchanged(stamp, f.seen) && (f.err == nil || !again) {
			continue
		}
		var s *Streets
		if err == nil {
			s, err = Open(f.path)
			if err != nil && os.SameFile(stamp, f.opened) {
				f.streets.file.Spoil()
			}
		}
		l.replace(i, stamp, s, err)
		if l.Changed != nil {
			date := f.streets.Date()
			if s != nil {
				date = s.Date()
			}
			l.Changed(f.path, date, err)
		}
	}
}

// replace puts a new file in its place, or notes why there is none.
func (l *Library) replace(i int, stamp os.FileInfo, s *Streets, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i >= len(l.shelves) { // it was closed
		if s != nil {
			_ = s.Close()
		}
		return
	}
	f := &l.shelves[i]
	f.seen, f.err = stamp, err
	if s != nil {
		_ = f.streets.Close() // nobody reads it: the lock is ours
		f.streets, f.opened = s, stamp
		l.setVersion()
	}
}

func unchanged(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Use calls do with the files of the library as they are now. What do keeps of
// them must not be used after it returned. Without an error of do, the error is
// that of damage that was met: what do made is not to be trusted then.
func (l *Library) Use(do func(Files) error) error {
	l.look()
	l.mu.RLock()
	defer l.mu.RUnlock()
	open := make(Files, len(l.shelves))
	for i, f := range l.shelves {
		open[i] = f.streets
	}
	if err := packed.Guard(func() error { return do(open) }); err != nil {
		return err //nolint:wrapcheck // of do, or says what it is
	}
	for _, s := range open {
		if err := s.Err(); err != nil {
			return err
		}
	}
	return nil
}

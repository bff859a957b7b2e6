package bulk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DirStore keeps blobs in a directory that every process shares: a directory a
// job, a file a blob. Big files then need no memory in Redis.
type DirStore struct{ root string }

// NewDirStore returns a store in root, which is made if need be.
func NewDirStore(root string) (*DirStore, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("open job store: %w", err)
	}
	return &DirStore{root: root}, nil
}

// lifeFile carries, as its time of modification, when a job's life ends.
const lifeFile = "life"

// erasedPrefix marks directories on their way out.
const erasedPrefix = ".erased-"

func (s *DirStore) dir(job string) string { return filepath.Join(s.root, job) }

// Create implements Store.
func (s *DirStore) Create(ctx context.Context, job string, life time.Duration) error {
	if err := os.Mkdir(s.dir(job), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return storeError("create", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir(job), lifeFile), nil, 0o600); err != nil {
		return storeError("create", err)
	}
	return s.Keep(ctx, job, life)
}

// Keep implements Store.
func (s *DirStore) Keep(_ context.Context, job string, life time.Duration) error {
	end := time.Now().Add(life)
	return dirError("keep", os.Chtimes(filepath.Join(s.dir(job), lifeFile), end, end))
}

// Put implements Store. The file appears whole or not at all.
func (s *DirStore) Put(_ context.Context, job, name string, blob []byte) error {
	f, err := os.CreateTemp(s.dir(job), ".new-")
	if err != nil {
		return dirError("write", err)
	}
	_, err = f.Write(blob)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir(job), name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return dirError("write", err)
}

// Get implements Store.
func (s *DirStore) Get(_ context.Context, job, name string) ([]byte, error) {
	blob, err := os.ReadFile(filepath.Join(s.dir(job), name))
	return blob, dirError("read", err)
}

// Remove implements Store.
func (s *DirStore) Remove(_ context.Context, job string, names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(s.dir(job), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storeError("remove", err)
		}
	}
	return nil
}

// Erase implements Store. The directory is renamed first: a writer that is
// about to put a blob there then finds no directory.
func (s *DirStore) Erase(_ context.Context, job string) error {
	erased := filepath.Join(s.root, erasedPrefix+job)
	if err := os.Rename(s.dir(job), erased); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storeError("erase", err)
	}
	return storeError("erase", removeAll(erased))
}

// removeAll tries again when a file appeared in between.
func removeAll(dir string) error {
	var err error
	for range 3 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
	}
	return err
}

// Sweep implements Store.
func (s *DirStore) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.root)
	if err != nil {
		return storeError("sweep", err)
	}
	var errs []error
	for _, entry := range entries {
		switch job := entry.Name(); {
		case strings.HasPrefix(job, erasedPrefix):
			errs = append(errs, removeAll(filepath.Join(s.root, job)))
		case validID(job) && s.outlived(job):
			errs = append(errs, s.Erase(ctx, job))
		}
	}
	return storeError("sweep", errors.Join(errs...))
}

func (s *DirStore) outlived(job string) bool {
	info, err := os.Stat(filepath.Join(s.dir(job), lifeFile))
	if errors.Is(err, fs.ErrNotExist) { // between the two steps of Create
		info, err = os.Stat(s.dir(job))
		return err == nil && time.Since(info.ModTime()) > time.Hour
	}
	return err == nil && time.Now().After(info.ModTime())
}

func dirError(verb string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errNoBlob
	}
	return storeError(verb, err)
}

package bulk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Every store keeps the same promises.
func TestStore(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		ctx, s := t.Context(), w.store
		job, other := newID(), newID()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Put(ctx, job, "in-0", []byte("x")); !errors.Is(err, errNoBlob) {
			t.Errorf("Put before Create = %v, want errNoBlob", err)
		}
		must(s.Create(ctx, job, time.Minute))
		must(s.Create(ctx, other, time.Minute))
		must(s.Put(ctx, job, "in-0", []byte("zero")))
		must(s.Put(ctx, job, "in-1", []byte{0, 255}))
		must(s.Put(ctx, other, "in-0", []byte("other")))
		if got, err := s.Get(ctx, job, "in-1"); err != nil || string(got) != "\x00\xff" {
			t.Errorf("Get = %q, %v", got, err)
		}
		if _, err := s.Get(ctx, job, "in-2"); !errors.Is(err, errNoBlob) {
			t.Errorf("Get of what is not there = %v, want errNoBlob", err)
		}
		must(s.Remove(ctx, job, "in-1", "in-7"))
		if _, err := s.Get(ctx, job, "in-1"); !errors.Is(err, errNoBlob) {
			t.Errorf("Get of what was removed = %v, want errNoBlob", err)
		}
		must(s.Keep(ctx, job, time.Hour))
		must(s.Sweep(ctx))
		if _, err := s.Get(ctx, job, "in-0"); err != nil {
			t.Errorf("Get after Sweep = %v", err)
		}

		must(s.Erase(ctx, job))
		must(s.Erase(ctx, job))
		if _, err := s.Get(ctx, job, "in-0"); !errors.Is(err, errNoBlob) {
			t.Errorf("Get after Erase = %v, want errNoBlob", err)
		}
		if err := s.Put(ctx, job, "in-0", []byte("late")); !errors.Is(err, errNoBlob) {
			t.Errorf("Put after Erase = %v, want errNoBlob", err)
		}
		if err := s.Keep(ctx, job, time.Hour); !errors.Is(err, errNoBlob) {
			t.Errorf("Keep after Erase = %v, want errNoBlob", err)
		}
		if got, err := s.Get(ctx, other, "in-0"); err != nil || string(got) != "other" {
			t.Errorf("another job's blob = %q, %v", got, err)
		}
	})
}

func TestDirStoreSweeps(t *testing.T) {
	root := filepath.Join(t.TempDir(), "jobs")
	s, err := NewDirStore(root)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	ended, alive := newID(), newID()
	for job, life := range map[string]time.Duration{ended: -time.Second, alive: time.Hour} {
		if err := errors.Join(s.Create(ctx, job, life), s.Put(ctx, job, "in-0", []byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	foreign := filepath.Join(root, "not a job of ours")
	halfErased := filepath.Join(root, erasedPrefix+newID())
	if err := errors.Join(os.Mkdir(foreign, 0o700), os.Mkdir(halfErased, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{s.dir(ended): false, s.dir(alive): true, foreign: true, halfErased: false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s there: %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
}

// A writer that is at it while its job is erased brings nothing back.
func TestEraseBeatsWriters(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for range 20 {
			job := newID()
			if err := w.store.Create(ctx, job, time.Minute); err != nil {
				t.Fatal(err)
			}
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() {
					for w.store.Put(ctx, job, newID(), []byte("x")) == nil {
					} // until it is refused
				})
			}
			if err := w.store.Erase(ctx, job); err != nil {
				t.Fatal(err)
			}
			writers.Wait()
			if d, isDir := w.store.(*DirStore); isDir {
				if left, err := os.ReadDir(d.root); err != nil || len(left) > 0 {
					t.Fatalf("left behind: %v, %v", left, err)
				}
				continue
			}
			if n, err := w.rdb.DBSize(ctx).Result(); err != nil || n > 0 {
				t.Fatalf("%d keys left behind, %v", n, err)
			}
		}
	})
}

package streets

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// served is a library of Monaco's file, and where the file is.
func served(t *testing.T) (l *Library, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "served.streets")
	if err := os.WriteFile(path, small(t), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLibrary(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

// find asks for a street that Monaco has.
func find(t *testing.T, l *Library) error {
	return l.Use(func(files Files) error {
		list, err := files.Search(t.Context(), Query{Text: "25 Boulevard de Suisse, Monaco"})
		if err != nil {
			return err
		}
		if len(list) == 0 || list[0].Place(Details{}).Name == "nowhere" {
			return errors.New("nothing is found")
		}
		return nil
	})
}

// TestNoQuestionIsLostWhileFilesAreReplaced replaces the file by whole ones and by
// ones that are cut off while it is asked.
func TestNoQuestionIsLostWhileFilesAreReplaced(t *testing.T) {
	l, path := served(t)
	whole := small(t)
	var asking sync.WaitGroup
	var asked atomic.Int64
	stop := make(chan struct{})
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := find(t, l); err != nil {
					t.Error(err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for i := range 60 {
		data, good := whole, i%3 == 2
		if !good {
			data = whole[:len(whole)*i/60]
		}
		next := path + ".next"
		if err := os.WriteFile(next, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
		l.Reload()
		if err := l.Err(); (err == nil) != good {
			t.Errorf("file %d: Err = %v", i, err)
		}
	}
	for asked.Load() < 40 && !t.Failed() {
		if err := find(t, l); err != nil {
			t.Error(err)
		}
		asked.Add(1)
	}
	close(stop)
	asking.Wait()
}

package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJobFromUploadToResult(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		var file strings.Builder
		file.WriteString("id,address\n")
		for i := range 1000 {
			switch {
			case i%20 == 7:
				fmt.Fprintf(&file, "%d,Ragged,row\n", i)
			case i%10 == 3:
				fmt.Fprintf(&file, "%d,nowhere %d\n", i, i%4)
			default:
				fmt.Fprintf(&file, "%d,Street %d\n", i, i%600)
			}
		}
		job := w.create(t, file.String(), Options{})
		if job.State != Queued || job.Rows != 1000 {
			t.Errorf("created %+v", job)
		}
		var state *StateError
		if _, err := w.master.Result(t.Context(), job.ID, Rendering{Format: CSV}); !errors.As(err, &state) || state.State != Queued {
			t.Errorf("Result while queued = %v", err)
		}
		w.worker(t, WorkerConfig{})
		job = w.finished(t, job.ID)
		if job.State != Finished || job.Done != 1000 || job.Invalid != 50 || job.Empty != 100 || job.Found != 850 || job.Failed != 0 {
			t.Errorf("finished %+v", job)
		}
		if job.EndedAt.Before(job.StartedAt) || job.StartedAt.Before(job.CreatedAt.Truncate(1e9)) {
			t.Errorf("times %v %v %v", job.CreatedAt, job.StartedAt, job.EndedAt)
		}
		list := records(t, w.result(t, job.ID, Rendering{Format: CSV}))
		if len(list) != 1000 {
			t.Fatalf("%d rows, want 1000", len(list))
		}
		hits := 0
		for i, r := range list {
			want := map[string]string{"id": fmt.Sprint(i), "outcome": "found", "lat": "47.14"}
			switch {
			case i%20 == 7:
				want = map[string]string{"id": fmt.Sprint(i), "address": "Ragged", "column_3": "row", "outcome": "invalid", "lat": ""}
			case i%10 == 3:
				want["outcome"], want["lat"] = "empty", ""
			}
			for name, value := range want {
				if r[name] != value {
					t.Fatalf("row %d: %s = %q, want %q (%v)", i, name, r[name], value, r)
				}
			}
			if r["cache"] == "true" {
				hits++
			}
		}
		questions, most := w.town.askedMost()
		if hits != job.CacheHits || hits != 950-questions || most != 1 {
			t.Errorf("%d hits (counted %d), %d questions, one asked %d times", hits, job.CacheHits, questions, most)
		}
	})
}

func TestResultIsResumable(t *testing.T) {
	w := newWorld(t)
	var file strings.Builder
	for i := range 3 * chunkRows {
		fmt.Fprintf(&file, "{\"q\":\"=Straße %d\"}\n", i%300)
	}
	job := w.create(t, file.String(), Options{})
	w.worker(t, WorkerConfig{})
	w.finished(t, job.ID)
	for _, r := range variants {
		whole := w.result(t, job.ID, r)
		var partial strings.Builder
		if err := w.master.WritePartial(t.Context(), job.ID, r, &partial); err != nil || partial.String() != whole {
			t.Errorf("%v: the partial result of a finished job differs from the whole one, %v", r, err)
		}
		for at := 0; at <= len(whole); at += len(whole)/17 + 1 {
			result, err := w.master.Result(t.Context(), job.ID, r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := result.Seek(int64(at), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(result)
			if err != nil || string(rest) != whole[at:] {
				t.Errorf("%v from byte %d: %d bytes, %v, want the last %d", r, at, len(rest), err, len(whole)-at)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		w.master.cfg.MaxBytes, w.master.cfg.MaxRows = 100_000, 900
		tests := []struct {
			name string
			body io.Reader
			want error
		}{
			{"too many bytes", streets(2000, func(int) string { return "1,Vaduz," + strings.Repeat("x", 200) + "\n" }), &LimitError{"bytes", 100_000}},
			{"too many rows", streets(901, func(int) string { return "1,V,x\n" }), &LimitError{"rows", 900}},
			{"the client leaves", io.MultiReader(strings.NewReader("address\nVaduz\n"), failing{}), errBody},
			{"a mistake far behind", streets(600, func(i int) string { return strings.Repeat("V,", i/599*maxColumns) + "1,V,x\n" }), ErrInvalid},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				_, err := w.master.Create(t.Context(), Upload{Body: tt.body})
				var limit *LimitError
				switch {
				case errors.As(tt.want, &limit):
					var got *LimitError
					if !errors.As(err, &got) || *got != *limit || !errors.Is(err, ErrTooLarge) {
						t.Errorf("Create = %v, want %v", err, tt.want)
					}
				case !errors.Is(err, tt.want) || IsBodyError(err) != errors.Is(tt.want, errBody):
					t.Errorf("Create = %v, want %v", err, tt.want)
				}
				w.nothingLeft(t)
			})
		}
	})
}

// nothingLeft checks that neither Redis nor the directory holds anything but what was
// counted of all jobs, which names none.
func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	keys, err := w.rdb.Keys(context.Background(), "*").Result()
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == w.master.ledger.tally() })
	if err != nil || len(keys) > 0 {
		t.Errorf("left in redis: %v, %v", keys, err)
	}
	if d, isDir := w.store.(*DirStore); isDir {
		if left, err := os.ReadDir(d.root); err != nil || len(left) > 0 {
			t.Errorf("left in the directory: %v, %v", left, err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDeleteErasesAtOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		asked, hold := make(chan struct{}, 100), make(chan struct{})
		w.town.before = func(ctx context.Context, _ int, _ Query) error {
			asked <- struct{}{}
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return ctx.Err()
		}
		stop := w.worker(t, WorkerConfig{Chunks: 1, Asks: 2})
		job := w.create(t, "address\nVaduz\nSchaan\nBalzers\n", Options{})
		<-asked
		<-asked
		watched := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var err error
			for j := job; err == nil; {
				j, err = w.master.Wait(ctx, job.ID, j.Version)
			}
			watched <- err
		}()
		if err := w.master.Delete(t.Context(), job.ID); err != nil {
			t.Fatal(err)
		}
		w.nothingLeft(t)
		for name, err := range map[string]error{
			"Job":    second(w.master.Job(t.Context(), job.ID)),
			"Result": second(w.master.Result(t.Context(), job.ID, Rendering{Format: CSV})),
			"Delete": w.master.Delete(t.Context(), job.ID),
			"Wait":   <-watched,
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of a deleted job = %v, want ErrNotFound", name, err)
			}
		}
		// The worker has let go of it: it takes the next job with its one hand.
		close(hold)
		next := w.create(t, "address\nTriesen\n", Options{})
		w.finished(t, next.ID)
		stop()
		if err := w.master.Delete(t.Context(), next.ID); err != nil {
			t.Fatal(err)
		}
		w.nothingLeft(t)
	})
}

func second[T any](_ T, err error) error { return err }

func TestIDsThatAreNone(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{
		"", ".", "..", "../../etc/passwd", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("A", 32),
		strings.Repeat("0", 31) + "}", strings.Repeat("0", 31) + "/", strings.Repeat("0", 32), strings.Repeat("*", 32),
	} {
		for name, err := range map[string]error{
			"Job":          second(w.master.Job(t.Context(), id)),
			"Wait":         second(w.master.Wait(t.Context(), id, 0)),
			"Result":       second(w.master.Result(t.Context(), id, Rendering{Format: CSV})),
			"WritePartial": w.master.WritePartial(t.Context(), id, Rendering{Format: CSV}, io.Discard),
			"Delete":       w.master.Delete(t.Context(), id),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s(%q) = %v, want ErrNotFound", name, id, err)
			}
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if seen[id] || !validID(id) {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestJobsExpire(t *testing.T) {
	w := newWorld(t)
	w.worker(t, WorkerConfig{})
	job := w.create(t, "address\nVaduz\nnowhere\n", Options{})
	w.finished(t, job.ID)
	keys, err := w.rdb.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	for _, key := range keys {
		if strings.HasPrefix(key, "geogate:jobs:{kept}:") || key == w.master.ledger.tally() {
			continue // of all jobs: what they are charged goes with the job (TestExpiredJobsAreSettled)
		}
		if ttl, err := w.rdb.TTL(t.Context(), key).Result(); err != nil || ttl <= 0 || ttl > DefaultRetention {
			t.Errorf("%s lives for %v, %v, want up to %v", key, ttl, err, DefaultRetention)
		}
	}
}

func TestPreview(t *testing.T) {
	got, err := NewPreview(t.Context(), Upload{Body: strings.NewReader("Ort;Adresse\nVaduz;\"Städtle 1\"\nSchaan\n"), Options: Options{Columns: []string{"adresse", "ort"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := Preview{
		Format: CSV, Separator: ";", Header: true, Columns: []string{"Ort", "Adresse"}, Asked: []string{"Adresse", "Ort"},
		Rows: [][]string{{"Vaduz", "Städtle 1"}, {"Schaan", ""}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

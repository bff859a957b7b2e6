package streets

import (
	"context"
	"path/filepath"
	"testing"

	"geogate/internal/streets/recall"
)

// BenchmarkSearch asks all questions in free text: each of the file of its
// country, and each of all five files together.
func BenchmarkSearch(b *testing.B) {
	var paths []string
	for _, country := range recall.Countries {
		open(b, country)
		paths = append(paths, filepath.Join(imported.dir, country+".streets"))
	}
	var list []recall.Question
	var queries []Query
	for _, q := range questions(b) {
		if query := queryOf(q); query.Text != "" {
			list, queries = append(list, q), append(queries, query)
		}
	}
	b.Run("country", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := open(b, list[i%len(list)].Country).Search(queries[i%len(list)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	library, err := OpenLibrary(paths...)
	if err != nil {
		b.Fatal(err)
	}
	defer library.Close()
	b.Run("five", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			err := library.Use(func(files Files) error {
				_, err := files.Search(context.Background(), queries[i%len(list)])
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

package streets

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"geogate/internal/gazetteer"
	"geogate/internal/geo"
	"geogate/internal/streets/build"
	"geogate/internal/streets/recall"
)

var showMisses = flag.Bool("misses", false, "list the questions that the first answer misses")

var imported = struct {
	sync.Mutex
	dir  string
	open map[string]*Streets
}{open: map[string]*Streets{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "streets")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	imported.dir = dir
	code := m.Run()
	for _, s := range imported.open {
		_ = s.Close()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// countryAt is how the command finds countries that an extract lacks.
func countryAt(t testing.TB) func(lat, lon float64) string {
	t.Helper()
	g, err := gazetteer.Load()
	if err != nil {
		t.Fatal(err)
	}
	return func(lat, lon float64) string {
		m, ok := g.Reverse(geo.Point{Lat: lat, Lon: lon}, 3)
		if !ok {
			return ""
		}
		return m.Place(nil).CountryCode
	}
}

// open imports the extract of a country once for all tests.
func open(t testing.TB, country string) *Streets {
	t.Helper()
	imported.Lock()
	defer imported.Unlock()
	if s := imported.open[country]; s != nil {
		return s
	}
	out := filepath.Join(imported.dir, country+".streets")
	in := filepath.Join("testdata", recall.Extracts[country]+".osm.pbf")
	if _, err := build.Import(context.Background(), []string{in}, out, build.Options{Country: countryAt(t)}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	imported.open[country] = s
	return s
}

func questions(t testing.TB) []recall.Question {
	t.Helper()
	list, err := recall.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func queryOf(q recall.Question) Query {
	get := q.Params().Get
	query := Query{
		Text: get("q"), Street: get("street"), City: get("city"), County: get("county"), State: get("state"),
		Country: get("country"), PostalCode: get("postalcode"), Amenity: get("amenity"),
	}
	if c := get("countrycodes"); c != "" {
		query.CountryCodes = strings.Split(c, ",")
	}
	query.Limit, _ = strconv.Atoi(get("limit"))
	return query
}

func reverseOf(q recall.Question) ReverseQuery {
	get := q.Params().Get
	lat, _ := strconv.ParseFloat(get("lat"), 64)
	lon, _ := strconv.ParseFloat(get("lon"), 64)
	zoom, _ := strconv.Atoi(get("zoom"))
	return ReverseQuery{Point: geo.Point{Lat: lat, Lon: lon}, Zoom: zoom}
}

// together are the files that are searched as one, as the Nominatims were set up:
// one for the countries and one for the cities.
func together(t testing.TB, country string) (files Files) {
	t.Helper()
	cities := []string{"de", "pt"}
	for _, c := range recall.Countries {
		if slices.Contains(cities, c) == slices.Contains(cities, country) {
			files = append(files, open(t, c))
		}
	}
	return files
}

// ask answers a question as a client would hear it.
func ask(t testing.TB, q recall.Question) (m Match, ok bool) {
	t.Helper()
	files := together(t, q.Country)
	if q.Set == "reverse" {
		m, ok, err := files.Reverse(reverseOf(q))
		if err != nil {
			t.Fatal(err)
		}
		return m, ok
	}
	list, err := files.Search(t.Context(), queryOf(q))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return m, false
	}
	return list[0], true
}

func answerOf(m Match) recall.Answer {
	p := m.Place(Details{})
	return recall.Answer{
		OSMType: p.OSMType, OSMID: p.OSMID, Name: p.Name, DisplayName: p.DisplayName,
		Lat: strconv.FormatFloat(p.Point.Lat, 'f', -1, 64), Lon: strconv.FormatFloat(p.Point.Lon, 'f', -1, 64),
	}
}

// reached is the share of right first answers, in per cent, that no change may
// fall below.
var reached = map[string]float64{"exact": 99.5, "human": 99.5, "street": 98.5, "poi": 99, "structured": 99.2, "reverse": 98}

// TestRecall asks all questions and holds the share of right first answers.
func TestRecall(t *testing.T) {
	right, asked := map[string]int{}, map[string]int{}
	for _, q := range questions(t) {
		m, ok := ask(t, q)
		asked[q.Set]++
		switch {
		case ok && q.Hit(answerOf(m)):
			right[q.Set]++
		case ok && *showMisses:
			t.Logf("miss %s: got %s (%.2f)", q, answerOf(m).DisplayName, m.Score)
		case *showMisses:
			t.Logf("miss %s: got nothing", q)
		}
	}
	for _, set := range recall.Sets {
		share := 100 * float64(right[set]) / float64(asked[set])
		t.Logf("%-10s %5.1f %% of %d", set, share, asked[set])
		if share < reached[set] {
			t.Errorf("%s: %d of %d first answers are right, want %.1f %%", set, right[set], asked[set], reached[set])
		}
	}
}

package streets

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
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
	"geogate/internal/streets/words"
)

var showMisses = flag.Bool("misses", false, "list the questions that the first answer misses")

// extracts are the test extracts by the country of the questions.
var extracts = map[string]string{"li": "liechtenstein", "ad": "andorra", "mc": "monaco", "de": "munchen", "pt": "porto"}

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
	in := filepath.Join("testdata", extracts[country]+".osm.pbf")
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

// question is a line of the files of questions.
type question struct {
	Set     string `json:"set"`
	Kind    string `json:"kind"`
	Country string `json:"country"`
	Request string `json:"request"`
	Truth   struct {
		OSMType     string  `json:"osm_type"`
		OSMID       int64   `json:"osm_id"`
		Lat         float64 `json:"lat"`
		Lon         float64 `json:"lon"`
		Street      string  `json:"street"`
		HouseNumber string  `json:"housenumber"`
		City        string  `json:"city"`
		PostCode    string  `json:"postcode"`
		Name        string  `json:"name"`
		CityInQuery *bool   `json:"city_in_query"`
	} `json:"truth"`
	Also [][]any `json:"also"`

	params url.Values
}

func questions(t testing.TB) (list []question) {
	t.Helper()
	for _, name := range []string{"questions.jsonl", "questions_city.jsonl"} {
		file, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var q question
			if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(q.Request)
			if err != nil {
				t.Fatal(err)
			}
			q.params = u.Query()
			list = append(list, q)
		}
	}
	return list
}

func (q question) query() Query {
	get := q.params.Get
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

func (q question) reverse() ReverseQuery {
	lat, _ := strconv.ParseFloat(q.params.Get("lat"), 64)
	lon, _ := strconv.ParseFloat(q.params.Get("lon"), 64)
	zoom, _ := strconv.Atoi(q.params.Get("zoom"))
	return ReverseQuery{Point: geo.Point{Lat: lat, Lon: lon}, Zoom: zoom}
}

// hit tells whether an answer is the right one: the object asked for or one
// that fits as well, or within 50 m of one; for streets one of the name in the
// town; for post codes the code within 3 km; for reverse at zoom 10 and 14 the
// municipality.
func (q question) hit(m Match) bool {
	p := m.Place(Details{})
	at := geo.Point{Lat: q.Truth.Lat, Lon: q.Truth.Lon}
	switch q.Kind {
	case "postcode_only":
		return strings.Contains(p.DisplayName, q.Truth.PostCode) && geo.Distance(at, p.Point) < 3000
	case "any_z10", "any_z14":
		return names(p.DisplayName, q.Truth.City)
	}
	if q.Truth.OSMID == 0 && q.Set == "reverse" {
		return names(p.DisplayName, q.Truth.City)
	}
	if p.OSMID == q.Truth.OSMID && p.OSMType == q.Truth.OSMType || geo.Distance(at, p.Point) <= 50 {
		return true
	}
	if q.Set == "street" && sameName(p.Name, q.Truth.Street) && (names(p.DisplayName, q.Truth.City) || geo.Distance(at, p.Point) < 1500) {
		return true
	}
	for _, also := range q.Also {
		id, _ := also[0].(string)
		lat, _ := also[1].(float64)
		lon, _ := also[2].(float64)
		if id == strings.ToUpper(p.OSMType[:min(1, len(p.OSMType))])+strconv.FormatInt(p.OSMID, 10) ||
			geo.Distance(geo.Point{Lat: lat, Lon: lon}, p.Point) <= 50 {
			return true
		}
	}
	return false
}

func names(display, want string) bool {
	return strings.Contains(strings.ToLower(display), strings.ToLower(want))
}

func sameName(a, b string) bool {
	return slices.EqualFunc(words.Split(nil, a), words.Split(nil, b), func(x, y words.Word) bool { return x.Text == y.Text })
}

// ask answers a question as a client would hear it.
func (q question) ask(s *Streets) (m Match, ok bool, err error) {
	if q.Set == "reverse" {
		return s.Reverse(q.reverse())
	}
	list, err := s.Search(q.query())
	if err != nil || len(list) == 0 {
		return m, false, err
	}
	return list[0], true, nil
}

// reached is the share of right first answers, in per cent, that no change may
// fall below.
var reached = map[string]float64{"exact": 99.5, "human": 99.5, "street": 98.5, "poi": 99, "structured": 99.2, "reverse": 98}

// TestRecall asks all questions and holds the share of right first answers.
func TestRecall(t *testing.T) {
	type tally struct{ right, asked int }
	all, kinds := map[string]map[string]tally{}, map[string]tally{}
	for _, q := range questions(t) {
		m, ok, err := q.ask(open(t, q.Country))
		if err != nil {
			t.Fatal(err)
		}
		right := ok && q.hit(m)
		for _, column := range []string{q.Country, "all"} {
			if all[q.Set] == nil {
				all[q.Set] = map[string]tally{}
			}
			n := all[q.Set][column]
			n.asked++
			if right {
				n.right++
			}
			all[q.Set][column] = n
		}
		n := kinds[q.Set+" "+q.Kind]
		n.asked++
		if right {
			n.right++
		}
		kinds[q.Set+" "+q.Kind] = n
		if !right && *showMisses {
			got := "nothing"
			if ok {
				got = m.Place(Details{}).DisplayName + fmt.Sprintf(" (%.2f)", m.Score)
			}
			asked := q.params.Get("q")
			if asked == "" {
				asked = q.Request
			}
			t.Logf("miss %s %s %s: %s | want %s %s %s %s %s | got %s", q.Set, q.Kind, q.Country, asked,
				q.Truth.Name, q.Truth.Street, q.Truth.HouseNumber, q.Truth.PostCode, q.Truth.City, got)
		}
	}
	for _, set := range []string{"exact", "human", "street", "poi", "structured", "reverse"} {
		line := fmt.Sprintf("%-10s", set)
		for _, column := range []string{"li", "ad", "mc", "de", "pt", "all"} {
			n := all[set][column]
			line += fmt.Sprintf("  %s %5.1f %% of %d", column, 100*float64(n.right)/float64(max(1, n.asked)), n.asked)
		}
		t.Log(line)
		if n := all[set]["all"]; 100*float64(n.right) < reached[set]*float64(n.asked) {
			t.Errorf("%s: %d of %d first answers are right, want %.1f %%", set, n.right, n.asked, reached[set])
		}
	}
	if *showMisses {
		for kind, n := range kinds {
			if n.right < n.asked {
				t.Logf("%-25s %d of %d", kind, n.right, n.asked)
			}
		}
	}
}

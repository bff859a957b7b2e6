// Package recall reads the questions with known answers in internal/streets/testdata
// and judges first answers, those of geogate and those that a Nominatim gave.
package recall

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"geogate/internal/geo"
	"geogate/internal/streets/words"
)

// Extracts are the extracts that the questions are about, by country.
var Extracts = map[string]string{"li": "liechtenstein", "ad": "andorra", "mc": "monaco", "de": "munchen", "pt": "porto"}

// Countries and Sets are in the order of tables.
var (
	Countries = []string{"li", "ad", "mc", "de", "pt"}
	Sets      = []string{"exact", "human", "street", "poi", "structured", "reverse"}
)

// Question is a line of the files of questions.
type Question struct {
	Set     string `json:"set"`
	Kind    string `json:"kind"`
	Country string `json:"country"`
	Request string `json:"request"` // path and query
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
	} `json:"truth"`
	Also      [][]any  `json:"also"`      // what fits as well: type and id, latitude, longitude
	Nominatim []Answer `json:"nominatim"` // what it answered, best first
}

// Answer is what of an answer is judged, as Nominatim's JSON has it.
type Answer struct {
	OSMType     string `json:"osm_type"`
	OSMID       int64  `json:"osm_id"`
	Lat         string `json:"lat"`
	Lon         string `json:"lon"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`

	Category    string            `json:"category"`
	Type        string            `json:"type"`
	AddressType string            `json:"addresstype"`
	Address     map[string]string `json:"address"`
}

// Load reads the files of questions of a directory.
func Load(dir string) (list []Question, err error) {
	for _, name := range []string{"questions.jsonl", "questions_city.jsonl"} {
		list, err = load(list, filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("load questions: %w", err)
		}
	}
	return list, nil
}

func load(list []Question, path string) ([]Question, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by Load
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q Question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, q)
	}
	return list, lines.Err() //nolint:wrapcheck // wrapped by Load
}

// Params are the parameters of the request.
func (q Question) Params() url.Values {
	_, query, _ := strings.Cut(q.Request, "?")
	params, _ := url.ParseQuery(query) // of what is broken the rest
	return params
}

// String is the question as it was typed, and what was meant.
func (q Question) String() string {
	asked := q.Params().Get("q")
	if asked == "" {
		asked = q.Request
	}
	t := q.Truth
	want := strings.Fields(strings.Join([]string{t.Name, t.Street, t.HouseNumber, t.PostCode, t.City}, " "))
	return fmt.Sprintf("%s %s %s: %s (%s)", q.Set, q.Kind, q.Country, asked, strings.Join(want, " "))
}

// Limits of a hit, in metres.
const (
	nearEnough = 50
	nearStreet = 1500
	nearCode   = 3000
)

// Hit tells whether an answer is the right one: the object asked for or one
// that fits as well, or within 50 m of one; for streets one of the name in the
// town; for post codes the code within 3 km; for reverse at zoom 10 and 14 the
// municipality.
func (q Question) Hit(a Answer) bool {
	at, want := pointOf(a.Lat, a.Lon), geo.Point{Lat: q.Truth.Lat, Lon: q.Truth.Lon}
	far := geo.Distance(want, at)
	switch {
	case q.Kind == "postcode_only":
		return strings.Contains(a.DisplayName, q.Truth.PostCode) && far < nearCode
	case q.Kind == "any_z10" || q.Kind == "any_z14" || q.Truth.OSMID == 0 && q.Set == "reverse":
		return names(a.DisplayName, q.Truth.City)
	case a.OSMID == q.Truth.OSMID && a.OSMType == q.Truth.OSMType || far <= nearEnough:
		return true
	case q.Set == "street" && sameName(a.Name, q.Truth.Street) && (names(a.DisplayName, q.Truth.City) || far < nearStreet):
		return true
	}
	return slices.ContainsFunc(q.Also, func(also []any) bool {
		id, _ := also[0].(string)
		lat, _ := also[1].(float64)
		lon, _ := also[2].(float64)
		return a.OSMType != "" && id == strings.ToUpper(a.OSMType[:1])+strconv.FormatInt(a.OSMID, 10) ||
			geo.Distance(geo.Point{Lat: lat, Lon: lon}, at) <= nearEnough
	})
}

func pointOf(lat, lon string) (p geo.Point) {
	p.Lat, _ = strconv.ParseFloat(lat, 64) // what is none is far away
	p.Lon, _ = strconv.ParseFloat(lon, 64)
	return p
}

func names(display, want string) bool {
	return strings.Contains(strings.ToLower(display), strings.ToLower(want))
}

func sameName(a, b string) bool {
	return slices.EqualFunc(words.Split(nil, a), words.Split(nil, b), func(x, y words.Word) bool { return x.Text == y.Text })
}

package bulk

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"geogate/internal/geo"
)

// Query is the question of one row.
type Query struct {
	Mode         Mode
	Q            string  // in mode Search
	Lat, Lon     float64 // degrees, in mode Reverse
	Limit        int
	Language     string
	CountryCodes string
}

// Outcome is what became of a row.
type Outcome string

// The outcomes. A row has none before it was asked for.
const (
	OutcomeFound   Outcome = "found"
	OutcomeEmpty   Outcome = "empty"   // the geocoder knows no such place
	OutcomeInvalid Outcome = "invalid" // the row is malformed, or the geocoder refused it
	OutcomeFailed  Outcome = "failed"  // asked several times without an answer
)

// Answer is the best place for a query.
type Answer struct {
	Outcome  Outcome // OutcomeFound, OutcomeEmpty or OutcomeInvalid
	Place            // of OutcomeFound
	Provider string
	Cached   bool // no geocoder was called for it
	// Held is for how long the same question will be answered from the cache.
	Held time.Duration
}

// Place is what a result tells of a place.
type Place struct {
	Lat, Lon    string // decimal degrees, as the geocoder wrote them
	DisplayName string
	Type        string
	Importance  string // a decimal number, or empty
	Licence     string // under which it may be used, in the geocoder's words
}

// Request is a query as it would be asked.
type Request struct {
	// Key is the same for two queries exactly if the same is asked for them.
	Key string
	// Ask obtains the answer. It is safe for concurrent use.
	Ask func(ctx context.Context) (Answer, error)
}

// Plan turns a query into a request without asking anything. Its error means
// that the query can never be asked: the row is invalid.
type Plan func(Query) (Request, error)

// maxQuestion is the longest address, in characters, that geogate asks for on
// its own endpoints.
const maxQuestion = 1000

// Why a row has no place, for people.
const (
	reasonCells    = "the row has too few or too many cells, or a quote that is not closed"
	reasonObject   = "the line is not a JSON object"
	reasonBlank    = "the row has no address"
	reasonLong     = "the address is too long"
	reasonNUL      = "the address has a NUL character"
	reasonPosition = "the row has no latitude and longitude in degrees"
	reasonRefused  = "the geocoder refuses this question"
	reasonNoPlace  = "the geocoder knows no such place"
	reasonNothing  = "the geocoder knows nothing at this position"
	reasonFailed   = "the geocoder was asked several times and gave no proper answer"
)

// reason tells why a row with this outcome has no place; empty: it has one.
func (s *spec) reason(r *row, o Outcome) string {
	switch o {
	case OutcomeInvalid:
		if _, wrong := s.query(r); wrong != "" {
			return wrong
		}
		return reasonRefused
	case OutcomeEmpty:
		if s.Mode == Reverse {
			return reasonNothing
		}
		return reasonNoPlace
	case OutcomeFailed:
		return reasonFailed
	}
	return ""
}

// query builds the question of a row, or tells why it is invalid.
func (s *spec) query(r *row) (q Query, wrong string) {
	if r.malformed {
		if s.Format == NDJSON {
			return Query{}, reasonObject
		}
		return Query{}, reasonCells
	}
	q = Query{Mode: s.Mode, Limit: s.Limit, Language: s.Language, CountryCodes: s.CountryCodes}
	if s.Mode == Reverse {
		var okLat, okLon bool
		q.Lat, okLat = degrees(s.text(r, s.Asked[0]), 90)
		q.Lon, okLon = degrees(s.text(r, s.Asked[1]), 180)
		if !okLat || !okLon {
			return q, reasonPosition
		}
		return q, ""
	}
	parts := make([]string, 0, 4)
	for _, column := range s.Asked {
		if part := strings.Join(strings.Fields(s.text(r, column)), " "); part != "" {
			parts = append(parts, part)
		}
	}
	q.Q = norm.NFC.String(strings.Join(parts, ", "))
	switch {
	case q.Q == "":
		return q, reasonBlank
	case utf8.RuneCountInString(q.Q) > maxQuestion:
		return q, reasonLong
	case strings.ContainsRune(q.Q, 0):
		return q, reasonNUL
	}
	return q, ""
}

// degrees reads a coordinate of a file. Two things that only files have are
// understood: white space around it, and a comma for the point, for files that
// separate by semicolons come from where numbers are written so.
func degrees(text string, limit float64) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Count(text, ",") == 1 && !strings.Contains(text, ".") {
		text = strings.Replace(text, ",", ".", 1)
	}
	v, err := geo.ParseDegrees(text)
	return v, err == nil && math.Abs(v) <= limit
}

// Package bulk geocodes whole files: it takes an upload apart into rows, lets
// any number of workers in any number of processes share them, and puts the
// answers back in the order of the file.
//
// It promises that
//
//   - an upload and a result are streamed: what a job takes in memory does not
//     grow with its file;
//   - every row of the input is in the result exactly once and in order,
//     whatever happens to workers in between; a row that cannot be asked for is
//     kept and marked;
//   - equal questions of one job are asked once, except those that a worker
//     had in hand when it was killed;
//   - a geocoder that asks for a pause gets one, and the job waits instead of
//     failing;
//   - a deleted job is gone when Delete returns, and no worker writes it back;
//     one that nobody deletes expires.
//
// Who keeps what is in DESIGN.md.
package bulk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Limits and lives that a Config may change.
const (
	DefaultMaxBytes  = 256 << 20
	DefaultMaxRows   = 1_000_000
	DefaultRetention = 24 * time.Hour
)

// State is how far a job is. A deleted job has none, because it is not found; only
// those who were watching it see Cancelled.
type State string

// The states of a job. Finished, Failed and Cancelled are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Finished  State = "finished"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended reports whether the state is final.
func (s State) Ended() bool { return s == Finished || s == Failed || s == Cancelled }

// Errors that callers branch on.
var (
	// ErrNotFound: no such job, one that was deleted or has expired, or one of
	// somebody else.
	ErrNotFound = errors.New("no such job")
	// ErrUnfinished: the job has no complete result yet; see StateError.
	ErrUnfinished = errors.New("the job is not finished")
	// ErrTooLarge: more bytes or rows than a job may have; see LimitError.
	ErrTooLarge = errors.New("upload too large")
	// ErrInvalid: the upload cannot be understood; see InputError.
	ErrInvalid = errors.New("invalid upload")
	// ErrNoRoom: the memory of Redis is kept for what cannot wait.
	ErrNoRoom = errors.New("no room for jobs")
	// ErrUnavailable: Redis or the store does not answer, or is full.
	ErrUnavailable = errors.New("jobs unavailable")
)

// StateError is ErrUnfinished with the state that the job is in.
type StateError struct{ State State }

func (e *StateError) Error() string { return "the job is " + string(e.State) }

// Unwrap returns ErrUnfinished.
func (e *StateError) Unwrap() error { return ErrUnfinished }

// LimitError is ErrTooLarge with the limit that was passed.
type LimitError struct {
	What  string // "bytes", "rows", "bytes in its result" or "bytes when stored"
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the upload has more than %d %s", e.Limit, e.What)
}

// Unwrap returns ErrTooLarge.
func (e *LimitError) Unwrap() error { return ErrTooLarge }

// InputError is ErrInvalid with a code for programs and words for people.
type InputError struct{ Code, Detail, Hint string }

func (e *InputError) Error() string { return e.Detail }

// Unwrap returns ErrInvalid.
func (e *InputError) Unwrap() error { return ErrInvalid }

// Counts are rows by outcome; Done is the sum of the four.
type Counts struct {
	Done, Found, Empty, Invalid, Failed int
	CacheHits                           int // rows that cost no call of a geocoder
}

// Job is the present state of a job.
type Job struct {
	ID      string
	State   State
	Error   string // why it failed
	Rows    int
	Version int64 // grows with every change
	Counts

	CreatedAt time.Time
	StartedAt time.Time // zero while queued
	EndedAt   time.Time // zero until it has ended
	// ETA is when the job will be done at the rate so far; zero when that is
	// not known.
	ETA time.Time
}

// Mode is what is asked of each row.
type Mode string

// The modes.
const (
	Search  Mode = "search"
	Reverse Mode = "reverse"
)

// Format is a notation of rows.
type Format string

// The formats. Uploads are CSV or NDJSON.
const (
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
	GeoJSON Format = "geojson"
	// Excel is safe CSV that Excel opens at a double click: with a byte order mark, and
	// separated by semicolons if the upload was.
	Excel Format = "excel"
)

// Options say what is asked of the rows of an upload.
type Options struct {
	Mode Mode // empty: Search
	// Columns are names, or numbers from 1, of the columns that make up the
	// question: joined by ", " in mode Search, latitude and longitude in mode
	// Reverse. Empty: the column named q, query or address, in any of many
	// languages, else the first; those named as coordinates are.
	Columns []string
	// Header says whether the first record of a CSV file names its columns;
	// nil: detect it.
	Header *bool
	// Limit is how many places each question asks for, 1 to 50; the best one
	// is kept. 0: 1.
	Limit        int
	Language     string // as in Accept-Language
	CountryCodes string // comma-separated
}

// spec is what workers and renderers need to know of a job. It is fixed when
// the upload is complete.
type spec struct {
	Mode         Mode     `json:"mode"`
	Format       Format   `json:"format"`
	Columns      []string `json:"columns"` // unique names, as in the result
	Asked        []int    `json:"asked"`   // indexes into Columns
	Limit        int      `json:"limit"`
	Language     string   `json:"language,omitempty"`
	CountryCodes string   `json:"countrycodes,omitempty"`
	Semicolons   bool     `json:"semicolons,omitempty"` // separated the cells of the upload
	Rows         int      `json:"rows"`
	Chunks       int      `json:"chunks"`
	Rendering    int      `json:"rendering"`       // renderingVersion of the sizes
	Trace        string   `json:"trace,omitempty"` // traceparent of the upload
}

func (s *spec) encode() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(text)
}

func decodeSpec(text string) (*spec, error) {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("decode job: %w", err)
	}
	return &s, nil
}

// idBytes makes ids of 128 bits: knowing one is the right to read the job.
const idBytes = 16

func newID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// validID keeps anything that newID did not make away from keys and paths.
func validID(id string) bool {
	return len(id) == 2*idBytes && strings.Trim(id, "0123456789abcdef") == ""
}

type viewerKey struct{}

// As returns a context whose calls see the jobs of one subject, and those that
// belong to nobody, whose id is the secret. Other jobs do not exist for it. Without
// As a context sees every job.
func As(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, viewerKey{}, subject)
}

// sees reports whether the jobs of owner exist for a context.
func sees(ctx context.Context, owner string) bool {
	subject, bound := ctx.Value(viewerKey{}).(string)
	return !bound || owner == "" || owner == subject
}

package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"geogate/cache"
	"geogate/gateway/exchange"
	"geogate/upstream"
)

const (
	// maxRecord is the longest line of an import, in bytes.
	maxRecord = 4 << 20
	// transferStep is how long one line of an export or import may take.
	transferStep = 30 * time.Second
)

// record is one line of an export: an answer with its key.
type record struct {
	Key         string        `json:"key"`
	Status      int           `json:"status"`
	ContentType string        `json:"content_type"`
	Body        string        `json:"body"`
	Provider    string        `json:"provider"`
	Outcome     string        `json:"outcome"`
	StoredAt    exchange.Time `json:"stored_at"`
	FreshS      float64       `json:"fresh_s"` // seconds from stored_at
	StaleS      float64       `json:"stale_s"` // seconds after that
}

// Export writes what the cache holds as NDJSON, without the answers of
// providers whose terms forbid handing them on. The last line says how many
// lines there were, so that a truncated export can be recognised.
func (a *API) Export(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	var written, withheld int
	for rec, err := range a.geocoder.Cache.Export(r.Context()) {
		if err != nil {
			return cutOff(w, written, fmt.Errorf("export: %w", err))
		}
		if policy, known := a.geocoder.Chain.PolicyOf(rec.Provider); !known || !policy.Export {
			withheld++
			continue
		}
		_ = control.SetWriteDeadline(time.Now().Add(transferStep))
		if err := lines.Encode(newRecord(rec)); err != nil {
			return cutOff(w, written+1, fmt.Errorf("export: %w", err))
		}
		written++
	}
	return lines.Encode(struct {
		Exported int `json:"exported"`
		Withheld int `json:"withheld"` // the terms of their providers forbid it
	}{written, withheld})
}

// cutOff ends an export that failed: as an ordinary error if nothing was sent,
// else by cutting the connection, which no client mistakes for the end.
func cutOff(w http.ResponseWriter, sent int, err error) error {
	if sent == 0 {
		w.Header().Del("Content-Type")
		return err
	}
	panic(http.ErrAbortHandler)
}

func newRecord(r cache.Record) record {
	e := r.Entry
	return record{
		Key: r.Key, Status: e.Status, ContentType: e.ContentType, Body: string(e.Body),
		Provider: e.Provider, Outcome: e.Outcome, StoredAt: exchange.Time(e.StoredAt),
		FreshS: e.Fresh.Seconds(), StaleS: e.Stale.Seconds(),
	}
}

// Import stores the lines of an export, so that a cache is warm before
// launch. Answers keep their age; newer ones that are there already stay.
func (a *API) Import(w http.ResponseWriter, r *http.Request) error {
	control := http.NewResponseController(w)
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, maxRecord)
	var answer struct {
		Imported int `json:"imported"`
		Skipped  int `json:"skipped"` // expired, or older than what is there
	}
	for n := 1; ; n++ {
		_ = control.SetReadDeadline(time.Now().Add(transferStep))
		if !lines.Scan() {
			break
		}
		var line struct {
			record
			Exported *int `json:"exported"`
			Withheld *int `json:"withheld"`
		}
		if err := exchange.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if line.Exported != nil {
			continue // the last line
		}
		stored, err := a.geocoder.Cache.Import(r.Context(), line.entry(a.geocoder.Chain))
		switch {
		case errors.Is(err, cache.ErrNotStorable):
			answer.Skipped++
		case err != nil:
			return fmt.Errorf("line %d: %w", n, err)
		case stored:
			answer.Imported++
		default:
			answer.Skipped++
		}
	}
	if err := lines.Err(); err != nil {
		return exchange.BadRequest("incomplete_body", "the body ended early, or a line is longer than 4 MiB")
	}
	_ = control.SetWriteDeadline(time.Now().Add(transferStep))
	return exchange.Respond(w, http.StatusOK, answer)
}

// entry is the cached answer of a line, its life cut to what the provider's
// terms allow here.
func (rec *record) entry(chain *upstream.Chain) cache.Record {
	fresh := time.Duration(rec.FreshS * float64(time.Second))
	stale := time.Duration(rec.StaleS * float64(time.Second))
	if policy, known := chain.PolicyOf(rec.Provider); known && policy.MaxTTL > 0 {
		fresh = min(fresh, policy.MaxTTL)
		stale = min(stale, policy.MaxTTL-fresh)
	}
	return cache.Record{Key: rec.Key, Entry: cache.Entry{
		Status: rec.Status, ContentType: rec.ContentType, Body: []byte(rec.Body),
		Provider: rec.Provider, Outcome: rec.Outcome, StoredAt: time.Time(rec.StoredAt),
		Fresh: fresh, Stale: stale,
	}}
}

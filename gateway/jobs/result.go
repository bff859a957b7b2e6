package jobs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

// resultTypes are the media types of results. A header line is always there.
var resultTypes = map[bulk.Format]string{
	bulk.CSV:     "text/csv; charset=utf-8; header=present",
	bulk.NDJSON:  "application/x-ndjson",
	bulk.GeoJSON: "application/geo+json",
}

// Result sends the result of a finished job, from any byte on, or with
// ?partial=1 what there is of an unfinished one.
func (a *API) Result(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "format", "safe", "partial")
	if err != nil {
		return err
	}
	rendering := bulk.Rendering{Format: bulk.Format(query.Get("format"))}
	if rendering.Format == "" {
		rendering.Format = bulk.CSV
	}
	safe, err := exchange.Switch(query, "safe")
	if err != nil {
		return err
	}
	rendering.Safe = safe != nil && *safe
	partial, err := exchange.Switch(query, "partial")
	if err != nil {
		return err
	}
	id, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	result, err := a.master.Result(r.Context(), id, rendering)
	if errors.Is(err, bulk.ErrUnfinished) && partial != nil && *partial {
		return a.partialResult(w, r, id, rendering)
	}
	if err != nil {
		return err
	}
	setResultHeaders(w.Header(), id, rendering)
	w.Header().Set("ETag", result.ETag)
	content := &download{Result: result, control: http.NewResponseController(w), stall: a.stall}
	http.ServeContent(w, r, "", result.ModTime, content)
	exchange.Of(r).Failure = content.err // the answer has begun: only the log can be told
	return nil
}

func setResultHeaders(h http.Header, id string, r bulk.Rendering) {
	h.Set("Content-Type", resultTypes[r.Format])
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="geogate-%.8s.%s"`, id, r.Format))
}

// partialResult sends the rows that have an answer. Its length is not known in
// advance, and differs from one time to the next.
func (a *API) partialResult(w http.ResponseWriter, r *http.Request, id string, rendering bulk.Rendering) error {
	setResultHeaders(w.Header(), id, rendering)
	out := &patientWriter{w: w, control: http.NewResponseController(w), stall: a.stall}
	err := a.master.WritePartial(r.Context(), id, rendering, out)
	if err == nil {
		return nil
	}
	if !out.begun {
		w.Header().Del("Content-Disposition")
		return err
	}
	exchange.Of(r).Failure = err
	panic(http.ErrAbortHandler) // so that half a result cannot pass for all there is
}

// download gives the client time for each piece of a long answer.
type download struct {
	*bulk.Result
	control *http.ResponseController
	stall   time.Duration
	err     error
}

func (d *download) Read(p []byte) (int, error) {
	if err := d.control.SetWriteDeadline(time.Now().Add(d.stall)); err != nil {
		return 0, fmt.Errorf("send result: %w", err)
	}
	n, err := d.Result.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		d.err = err
	}
	return n, err
}

// patientWriter is download for an answer that is written.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
	stall   time.Duration
	begun   bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.stall)); err != nil {
		return 0, fmt.Errorf("send result: %w", err)
	}
	p.begun = true
	return p.w.Write(b)
}

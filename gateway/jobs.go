package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"geogate/internal/bulk"
)

// wireJob is a job on the wire.
type wireJob struct {
	JobID     string     `json:"job_id"`
	State     bulk.State `json:"state"`
	Error     string     `json:"error,omitempty"`
	Rows      int        `json:"rows"`
	Done      int        `json:"done"`
	Found     int        `json:"found"`
	Empty     int        `json:"empty"`
	Invalid   int        `json:"invalid"`
	Failed    int        `json:"failed"`
	CacheHits int        `json:"cache_hits"`
	ETA       *wireTime  `json:"eta"`
	CreatedAt wireTime   `json:"created_at"`
	StartedAt *wireTime  `json:"started_at"`
	EndedAt   *wireTime  `json:"ended_at"`
}

func newWireJob(j bulk.Job) wireJob {
	return wireJob{
		JobID: j.ID, State: j.State, Error: j.Error, Rows: j.Rows,
		Done: j.Done, Found: j.Found, Empty: j.Empty, Invalid: j.Invalid, Failed: j.Failed, CacheHits: j.CacheHits,
		ETA: timeOrNull(j.ETA), CreatedAt: wireTime(j.CreatedAt), StartedAt: timeOrNull(j.StartedAt), EndedAt: timeOrNull(j.EndedAt),
	}
}

func timeOrNull(t time.Time) *wireTime {
	if t.IsZero() {
		return nil
	}
	return (*wireTime)(&t)
}

// getJob tells how a job stands; with ?wait= it waits for the next state.
func (g *Gateway) getJob(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "wait")
	if err != nil {
		return err
	}
	wait, err := waitOf(query)
	if err != nil {
		return err
	}
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	job, err := g.jobs.Job(r.Context(), id)
	if err != nil {
		return err
	}
	if wait > 0 {
		ctx, cancel := g.awaiting(r.Context(), wait)
		defer cancel()
		for state := job.State; job.State == state && !state.Ended() && ctx.Err() == nil; {
			if job, err = g.jobs.Wait(ctx, id, job.Version); err != nil {
				return err
			}
		}
	}
	return g.respond(w, http.StatusOK, newWireJob(job))
}

// deleteJob stops a job and erases it.
func (g *Gateway) deleteJob(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r); err != nil {
		return err
	}
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	if err := g.jobs.Delete(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// resultTypes are the media types of results. A header line is always there.
var resultTypes = map[bulk.Format]string{
	bulk.CSV:     "text/csv; charset=utf-8; header=present",
	bulk.NDJSON:  "application/x-ndjson",
	bulk.GeoJSON: "application/geo+json",
}

// jobResult sends the result of a finished job, from any byte on, or with
// ?partial=1 what there is of an unfinished one.
func (g *Gateway) jobResult(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r.URL, "format", "safe", "partial")
	if err != nil {
		return err
	}
	rendering := bulk.Rendering{Format: bulk.Format(query.Get("format"))}
	if rendering.Format == "" {
		rendering.Format = bulk.CSV
	}
	safe, err := boolOf(query, "safe")
	if err != nil {
		return err
	}
	rendering.Safe = safe != nil && *safe
	partial, err := boolOf(query, "partial")
	if err != nil {
		return err
	}
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	result, err := g.jobs.Result(r.Context(), id, rendering)
	if errors.Is(err, bulk.ErrUnfinished) && partial != nil && *partial {
		return g.partialResult(w, r, id, rendering)
	}
	if err != nil {
		return err
	}
	setResultHeaders(w.Header(), id, rendering)
	w.Header().Set("ETag", result.ETag)
	content := &download{Result: result, control: http.NewResponseController(w)}
	http.ServeContent(w, r, "", result.ModTime, content)
	exchangeOf(r).err = content.err // the answer has begun: only the log can be told
	return nil
}

func setResultHeaders(h http.Header, id string, r bulk.Rendering) {
	h.Set("Content-Type", resultTypes[r.Format])
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="geogate-%.8s.%s"`, id, r.Format))
}

// partialResult sends the rows that have an answer. Its length is not known,
// and the next time it is another one.
func (g *Gateway) partialResult(w http.ResponseWriter, r *http.Request, id string, rendering bulk.Rendering) error {
	setResultHeaders(w.Header(), id, rendering)
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	err := g.jobs.WritePartial(r.Context(), id, rendering, out)
	if err == nil {
		return nil
	}
	if !out.begun {
		w.Header().Del("Content-Disposition")
		return err
	}
	exchangeOf(r).err = err
	panic(http.ErrAbortHandler) // so that half a result cannot pass for all there is
}

// download gives the client time for each piece of a long answer.
type download struct {
	*bulk.Result
	control *http.ResponseController
	err     error
}

func (d *download) Read(p []byte) (int, error) {
	if err := d.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
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
	begun   bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("send result: %w", err)
	}
	p.begun = true
	return p.w.Write(b)
}

// boolOf reads a switch; nil when it is not given.
func boolOf(query url.Values, name string) (*bool, error) {
	if !query.Has(name) {
		return nil, nil //nolint:nilnil // not given is no error
	}
	v, err := strconv.ParseBool(query.Get(name))
	if err != nil {
		return nil, badRequest("invalid_switch", name+" must be 1 or 0")
	}
	return &v, nil
}

// jobUnfinished says in which state a job is that has no result.
func jobUnfinished(err *bulk.StateError) *problem {
	p := newProblem(http.StatusConflict, "job_unfinished", err.Error()).
		withHint("wait for state finished, or take what there is with ?partial=1")
	p.State = string(err.State)
	return p
}

package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

// resultTypes are the media types of results. A header line is always there.
var resultTypes = map[bulk.Format]string{
	bulk.CSV:     "text/csv; charset=utf-8; header=present",
	bulk.Excel:   "text/csv; charset=utf-8; header=present",
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
	giveBack, err := a.downloads.take(r)
	if err != nil {
		return err
	}
	defer giveBack()
	control := http.NewResponseController(w)
	ctx, end := a.transfer(as(r), control.SetWriteDeadline)
	defer end()
	out := &pacedResponse{w, pacedWriter{ctx: ctx, w: w, set: control.SetWriteDeadline, pace: newPace()}}
	result, err := a.master.Result(ctx, id, rendering)
	if errors.Is(err, bulk.ErrUnfinished) && partial != nil && *partial {
		return a.partialResult(ctx, out, r, id, rendering)
	}
	if err != nil {
		return err
	}
	setResultHeaders(w.Header(), id, rendering)
	w.Header().Set("ETag", result.ETag)
	content := &download{Result: result}
	http.ServeContent(out, r, "", result.ModTime, content)
	exchange.Of(r).Failure = content.err // the answer has begun: only the log can be told
	return nil
}

func setResultHeaders(h http.Header, id string, r bulk.Rendering) {
	ending := r.Format
	if ending == bulk.Excel {
		ending = bulk.CSV
	}
	h.Set("Content-Type", resultTypes[r.Format])
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="geogate-%.8s.%s"`, id, ending))
}

// partialResult sends the rows that have an answer. Its length is not known in
// advance, and differs from one time to the next.
func (a *API) partialResult(ctx context.Context, w *pacedResponse, r *http.Request, id string, rendering bulk.Rendering) error {
	setResultHeaders(w.Header(), id, rendering)
	err := a.master.WritePartial(ctx, id, rendering, w)
	if err == nil {
		return nil
	}
	if !w.body.begun {
		w.Header().Del("Content-Disposition")
		return err
	}
	exchange.Of(r).Failure = err
	panic(http.ErrAbortHandler) // so that half a result cannot pass for all there is
}

// download keeps the error that ends a result, which http.ServeContent does not tell.
type download struct {
	*bulk.Result
	err error
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.Result.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		d.err = err
	}
	return n, err
}

// pacedResponse is a response whose body is written at the client's pace.
type pacedResponse struct {
	http.ResponseWriter
	body pacedWriter
}

func (p *pacedResponse) Write(b []byte) (int, error) { return p.body.Write(b) }

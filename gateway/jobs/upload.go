package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

const (
	// formOverhead is what a form may contain besides its file.
	formOverhead = 64 << 10
	// maxField is the longest field of a form.
	maxField = 4 << 10
	// maxPlaces is how many places a row may ask for.
	maxPlaces = 50
)

// uploadParameters are options of a job, in the query or in form fields before
// the file.
var uploadParameters = []string{
	"mode", "columns", "q", "limit", "language", "accept-language", "countrycodes", "header", "preview",
}

// uploadTypes are the media types of uploads.
var uploadTypes = map[string]bulk.Format{
	"text/csv":                  bulk.CSV,
	"application/csv":           bulk.CSV,
	"text/tab-separated-values": bulk.CSV,
	"application/x-ndjson":      bulk.NDJSON,
	"application/ndjson":        bulk.NDJSON,
	"application/jsonl":         bulk.NDJSON,
	"application/x-jsonlines":   bulk.NDJSON,
}

// createdJob is the answer to an upload.
type createdJob struct {
	JobID string     `json:"job_id"`
	State bulk.State `json:"state"`
	Rows  int        `json:"rows"`
}

// Create makes a job of an upload, or with ?preview=1 only tells how it would be
// understood.
func (a *API) Create(w http.ResponseWriter, r *http.Request) error {
	giveBack, err := a.uploads.take(r)
	if err != nil {
		return err
	}
	defer giveBack()
	query, err := exchange.Parameters(r.URL, uploadParameters...)
	if err != nil {
		return err
	}
	if r.ContentLength > a.master.MaxBytes()+formOverhead {
		return &bulk.LimitError{What: "bytes", Limit: a.master.MaxBytes()}
	}
	control := http.NewResponseController(w)
	r.Body = http.MaxBytesReader(w, r.Body, a.master.MaxBytes()+formOverhead)
	ctx, end := a.transfer(r.Context(), control.SetReadDeadline)
	defer end()
	upload, err := openUpload(r, query, &pacedBody{ctx: ctx, r: r.Body, set: control.SetReadDeadline, pace: newPace()})
	if err != nil {
		return err
	}
	if upload.Options, err = uploadOptions(query, r.Header.Get("Accept-Language")); err != nil {
		return err
	}
	ex := exchange.Of(r)
	upload.Client, upload.Owner = ex.Counted(), ex.Caller.Subject
	preview, err := exchange.Switch(query, "preview")
	if err != nil {
		return err
	}
	if preview != nil && *preview {
		return a.previewUpload(ctx, w, upload)
	}
	job, err := a.master.Create(ctx, upload)
	err = errors.Join(err, a.answerSoon(w))
	if err != nil {
		return uploadError(ctx, err, a.master.MaxBytes())
	}
	w.Header().Set("Location", "/v2/jobs/"+job.ID)
	return exchange.Respond(w, http.StatusAccepted, createdJob{job.ID, job.State, job.Rows})
}

// answerSoon lets the time to answer begin now, not with the upload.
func (a *API) answerSoon(w http.ResponseWriter) error {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.stall)); err != nil {
		return fmt.Errorf("answer upload: %w", err)
	}
	return nil
}

// uploadError tells the limit that MaxBytesReader found passed, which is that
// of the file but for the form around it, or that the process stops.
func uploadError(ctx context.Context, err error, limit int64) error {
	if errors.Is(context.Cause(ctx), errStopping) {
		return errors.Join(errStopping, err)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &bulk.LimitError{What: "bytes", Limit: limit}
	}
	return err
}

// wirePreview is how an upload would be understood.
type wirePreview struct {
	Format    bulk.Format `json:"format"`
	Separator string      `json:"separator,omitempty"`
	Header    bool        `json:"header"`
	Columns   []string    `json:"columns"`
	Asked     []string    `json:"asked"`
	Guessed   bool        `json:"guessed"`
	Rows      [][]string  `json:"rows"`
}

func (a *API) previewUpload(ctx context.Context, w http.ResponseWriter, u bulk.Upload) error {
	p, err := bulk.NewPreview(ctx, u)
	err = errors.Join(err, a.answerSoon(w))
	if err != nil {
		return uploadError(ctx, err, a.master.MaxBytes())
	}
	return exchange.Respond(w, http.StatusOK, wirePreview(p))
}

// openUpload finds the file in a request. Fields of a form are added to query.
func openUpload(r *http.Request, query url.Values, body io.Reader) (bulk.Upload, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return bulk.Upload{}, exchange.NewProblem(http.StatusUnsupportedMediaType, "unsupported_encoding", "the upload must not be compressed")
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return bulk.Upload{}, unsupportedUpload(mediaType)
	}
	if mediaType == "multipart/form-data" {
		return openForm(multipart.NewReader(body, params["boundary"]), query)
	}
	format, known := uploadTypes[mediaType]
	if !known {
		return bulk.Upload{}, unsupportedUpload(mediaType)
	}
	return bulk.Upload{Body: body, Format: format, Charset: params["charset"]}, nil
}

func unsupportedUpload(mediaType string) error {
	p := exchange.NewProblem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		"an upload must be text/csv, application/x-ndjson, or a form with the field file")
	if mediaType == "application/x-www-form-urlencoded" {
		return p.WithHint("use curl -F file=@addresses.csv, or --data-binary @addresses.csv -H 'Content-Type: text/csv'")
	}
	return p.WithHint("curl -F file=@addresses.csv sends such a form")
}

// openForm reads the fields of a form up to its file, and leaves the file
// unread.
func openForm(form *multipart.Reader, query url.Values) (bulk.Upload, error) {
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return bulk.Upload{}, exchange.BadRequest("missing_file", "the form has no field file").
				WithHint("curl -F file=@addresses.csv")
		}
		if err != nil {
			return bulk.Upload{}, exchange.BadRequest("invalid_form", "the form is malformed or ended early")
		}
		name := part.FormName()
		if name == "file" {
			return formFile(part), nil
		}
		if !slices.Contains(uploadParameters, name) || query.Has(name) {
			return bulk.Upload{}, exchange.BadRequest("unknown_field", fmt.Sprintf("unexpected field %q before the file", name)).
				WithHint("known are " + strings.Join(uploadParameters, ", "))
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil || len(value) > maxField {
			return bulk.Upload{}, exchange.BadRequest("invalid_form", fmt.Sprintf("field %q is too long or incomplete", name))
		}
		if len(value) > 0 { // an input that was left empty
			query.Set(name, string(value))
		}
	}
}

// formFile goes by the type of a file, then by its name: some systems call every
// CSV file a spreadsheet.
func formFile(part *multipart.Part) bulk.Upload {
	mediaType, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	u := bulk.Upload{Body: part}
	if err == nil {
		u.Format, u.Charset = uploadTypes[mediaType], params["charset"]
	}
	if u.Format != "" {
		return u
	}
	switch strings.ToLower(path.Ext(part.FileName())) {
	case ".csv", ".tsv", ".txt":
		u.Format = bulk.CSV
	case ".ndjson", ".jsonl":
		u.Format = bulk.NDJSON
	}
	return u
}

func uploadOptions(query url.Values, acceptLanguage string) (bulk.Options, error) {
	o := bulk.Options{
		Mode: bulk.Mode(query.Get("mode")), CountryCodes: query.Get("countrycodes"), Language: acceptLanguage,
	}
	for _, name := range []string{"accept-language", "language"} {
		if value := query.Get(name); value != "" {
			o.Language = value
		}
	}
	switch o.Mode {
	case "":
		o.Mode = bulk.Search
	case bulk.Search, bulk.Reverse:
	default:
		return o, exchange.BadRequest("invalid_mode", "mode must be search or reverse")
	}
	switch {
	case query.Get("q") != "" && query.Get("columns") != "":
		return o, exchange.BadRequest("columns_twice", "q and columns exclude each other").
			WithHint("q names one column, columns several")
	case query.Get("q") != "":
		o.Columns = []string{query.Get("q")}
	default:
		o.Columns = exchange.List(query.Get("columns"))
	}
	var err error
	if o.Limit, err = exchange.Limit(query, maxPlaces, 0); err != nil {
		return o, err
	}
	o.Header, err = exchange.Switch(query, "header")
	return o, err
}

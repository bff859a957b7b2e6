package bulkfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"geogate/internal/bulk"
	"geogate/internal/command/remote"
	"geogate/internal/pause"
)

const (
	// followEvery is how often a job on a server is looked at.
	followEvery = time.Second
	// serverPatience is for how long a server may be away.
	serverPatience = 2 * time.Minute
	// answerTimeout bounds one short question.
	answerTimeout = 30 * time.Second
)

// serverJob is a job as the server shows it.
type serverJob struct {
	JobID string     `json:"job_id"`
	State bulk.State `json:"state"`
	Error string     `json:"error"`
	rowCounts
}

// errNoJob: the server does not know the job, or not any more.
var errNoJob = errors.New("the server no longer knows the job")

// onServer is a Run whose work another geogate does.
type onServer struct {
	*Run
	server remote.Server
}

// OnServer uploads the file, unless an earlier run has done so, waits for the
// job, downloads its result, and then deletes the job unless it is to be kept.
func (run *Run) OnServer(ctx context.Context, userAgent string, keep bool) (bulk.Counts, error) {
	s := &onServer{run, remote.Server{URL: run.Server, UserAgent: userAgent}}
	if err := s.ensureUploaded(ctx); err != nil {
		return bulk.Counts{}, err
	}
	job, err := s.follow(ctx)
	if err == nil {
		err = s.download(ctx)
	}
	if err == nil && !keep {
		err = s.deleteJob(ctx)
	}
	return job.counts(), err
}

func (s *onServer) ensureUploaded(ctx context.Context) error {
	if s.state.JobID != "" {
		if _, err := s.job(ctx); errors.Is(err, errNoJob) {
			s.state.JobID = ""
			if err := s.out.Truncate(0); err != nil {
				return fmt.Errorf("write result: %w", err)
			}
		}
	}
	if s.state.JobID != "" {
		return nil
	}
	return s.upload(ctx)
}

func (s *onServer) deleteJob(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	res, err := s.send(ctx, http.MethodDelete, "/v2/jobs/"+s.state.JobID, nil, nil)
	if err != nil {
		return fmt.Errorf("delete job: %w", err)
	}
	return res.Body.Close()
}

// send makes one request. An answer of 400 and above is an error.
func (s *onServer) send(ctx context.Context, method, target string, body io.Reader, header http.Header) (*http.Response, error) {
	res, err := s.server.Send(ctx, method, target, body, header)
	if err != nil || res.StatusCode < http.StatusBadRequest {
		return res, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := remote.ReadBody(res.Body)
	if err != nil {
		return nil, err
	}
	refusal := remote.ReadError(res.StatusCode, text)
	switch {
	case refusal.Status == http.StatusNotFound:
		return nil, errNoJob
	case refusal.Status == http.StatusBadRequest && refusal.Code != "":
		return nil, &bulk.InputError{Code: refusal.Code, Detail: refusal.Detail, Hint: refusal.Hint}
	}
	return nil, refusal
}

// lasting reports whether trying again is of no use.
func lasting(err error) bool {
	var refusal *remote.StatusError
	var input *bulk.InputError
	refused := errors.As(err, &refusal) && refusal.Status != http.StatusTooManyRequests &&
		refusal.Status < http.StatusInternalServerError
	return refused || errors.Is(err, errNoJob) || errors.As(err, &input)
}

func (s *onServer) upload(ctx context.Context) error {
	info, err := s.In.Stat()
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	o, query := s.Options, url.Values{}
	query.Set("mode", string(o.Mode))
	query.Set("limit", strconv.Itoa(o.Limit))
	for name, value := range map[string]string{
		"columns": strings.Join(o.Columns, ","), "language": o.Language, "countrycodes": o.CountryCodes,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if o.Header != nil {
		query.Set("header", strconv.FormatBool(*o.Header))
	}
	mediaType := "text/csv"
	if s.Format == bulk.NDJSON {
		mediaType = "application/x-ndjson"
	}
	header := http.Header{"Content-Type": {mediaType}, "Expect": {"100-continue"}}
	body := io.NewSectionReader(s.In, 0, info.Size()) // which the client does not close
	res, err := s.send(ctx, http.MethodPost, "/v2/jobs?"+query.Encode(), body, header)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var job serverJob
	if err := json.NewDecoder(res.Body).Decode(&job); err != nil || job.JobID == "" {
		return errors.New("upload: the server's answer is not a job; is it a geogate?")
	}
	s.state.JobID = job.JobID
	s.Progress.tell(bulk.Counts{}, job.Rows)
	return s.save()
}

func (s *onServer) job(ctx context.Context) (serverJob, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	res, err := s.send(ctx, http.MethodGet, "/v2/jobs/"+s.state.JobID, nil, nil)
	if err != nil {
		return serverJob{}, fmt.Errorf("follow job: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var job serverJob
	if err := json.NewDecoder(res.Body).Decode(&job); err != nil {
		return serverJob{}, fmt.Errorf("follow job: %w", err)
	}
	return job, nil
}

// follow waits until the job has finished.
func (s *onServer) follow(ctx context.Context) (job serverJob, err error) {
	err = persist(ctx, func() (done, heard bool, err error) {
		now, err := s.job(ctx)
		if err != nil {
			return false, false, err
		}
		job = now
		s.Progress.tell(job.counts(), job.Rows)
		if job.State == bulk.Failed {
			return true, true, fmt.Errorf("the job failed: %s", job.Error)
		}
		return job.State == bulk.Finished, true, nil
	})
	return job, err
}

// download fetches what is missing of the result, as often as the connection
// breaks. Standard output cannot be written to twice.
func (s *onServer) download(ctx context.Context) error {
	err := persist(ctx, func() (done, heard bool, err error) {
		gained, err := s.downloadRest(ctx)
		return err == nil || s.Output == "" && gained > 0, gained > 0, err
	})
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	return nil
}

// persist repeats step until it is done, and pauses in between. Errors that may
// pass are borne while step has heard from the server within serverPatience.
func persist(ctx context.Context, step func() (done, heard bool, err error)) error {
	for last := time.Now(); ; {
		done, heard, err := step()
		if heard {
			last = time.Now()
		}
		if done || err != nil && (lasting(err) || ctx.Err() != nil || time.Since(last) > serverPatience) {
			return err
		}
		if err := pause.For(ctx, followEvery); err != nil {
			return err
		}
	}
}

func (s *onServer) downloadRest(ctx context.Context) (int64, error) {
	header, at := http.Header{}, int64(0)
	if s.Output != "" {
		var err error
		if at, err = s.out.Seek(0, io.SeekEnd); err != nil {
			return 0, err
		}
		if at > 0 {
			header.Set("Range", fmt.Sprintf("bytes=%d-", at))
		}
	}
	target := fmt.Sprintf("/v2/jobs/%s/result?format=%s&safe=%t", s.state.JobID, s.Rendering.Format, s.Rendering.Safe)
	res, err := s.send(ctx, http.MethodGet, target, nil, header)
	var refusal *remote.StatusError
	if errors.As(err, &refusal) && refusal.Status == http.StatusRequestedRangeNotSatisfiable && at > 0 {
		return 0, nil // nothing is missing
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if at > 0 && res.StatusCode != http.StatusPartialContent {
		if err := s.out.Truncate(0); err != nil {
			return 0, err
		}
		if _, err := s.out.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return io.Copy(s.out, res.Body)
}

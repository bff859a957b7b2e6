package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"geogate/internal/bulk"
)

const (
	// followEvery is how often a job on a server is looked at.
	followEvery = time.Second
	// serverPatience is for how long a server may be away.
	serverPatience = 2 * time.Minute
	// answerTimeout bounds one short question.
	answerTimeout = 30 * time.Second
)

// serverJob is a job as the server tells of it.
type serverJob struct {
	JobID     string     `json:"job_id"`
	State     bulk.State `json:"state"`
	Error     string     `json:"error"`
	Rows      int        `json:"rows"`
	Done      int        `json:"done"`
	Found     int        `json:"found"`
	Empty     int        `json:"empty"`
	Invalid   int        `json:"invalid"`
	Failed    int        `json:"failed"`
	CacheHits int        `json:"cache_hits"`
}

func (j *serverJob) counts() bulk.Counts {
	return bulk.Counts{Done: j.Done, Found: j.Found, Empty: j.Empty, Invalid: j.Invalid, Failed: j.Failed, CacheHits: j.CacheHits}
}

// errNoJob: the server does not know the job, or not any more.
var errNoJob = errors.New("the server does not know the job any more")

// onServer uploads the file, unless that was done before, waits for the job
// and downloads its result.
func (run *bulkRun) onServer(ctx context.Context) (bulk.Counts, error) {
	if run.state.JobID != "" {
		if _, err := run.job(ctx); errors.Is(err, errNoJob) {
			run.state.JobID = ""
			if err := run.out.Truncate(0); err != nil {
				return bulk.Counts{}, fmt.Errorf("write result: %w", err)
			}
		}
	}
	if run.state.JobID == "" {
		if err := run.upload(ctx); err != nil {
			return bulk.Counts{}, err
		}
	}
	job, err := run.follow(ctx)
	if err != nil {
		return job.counts(), err
	}
	if err := run.download(ctx); err != nil {
		return job.counts(), err
	}
	if run.Keep {
		return job.counts(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	res, err := run.send(ctx, http.MethodDelete, "/v2/jobs/"+run.state.JobID, nil, nil)
	if err != nil {
		return job.counts(), fmt.Errorf("delete job: %w", err)
	}
	return job.counts(), res.Body.Close()
}

// send makes one request of the server; an answer of 400 and above is an error.
func (run *bulkRun) send(ctx context.Context, method, target string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(run.Server, "/")+target, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "geogate/"+buildVersion())
	client := http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: serverPatience, ExpectContinueTimeout: answerTimeout,
	}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxServerAnswer))
	if err != nil {
		return nil, err
	}
	return nil, serverError(res, text)
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answered %d %s", e.status, e.detail))
}

func serverError(res *http.Response, text []byte) error {
	var problem struct{ Code, Detail, Hint string }
	_ = json.Unmarshal(text, &problem) // else the status has to do
	switch {
	case res.StatusCode == http.StatusNotFound:
		return errNoJob
	case res.StatusCode == http.StatusBadRequest && problem.Code != "":
		return &bulk.InputError{Code: problem.Code, Detail: problem.Detail, Hint: problem.Hint}
	}
	return &statusError{res.StatusCode, problem.Detail}
}

// lasting reports whether trying again is of no use.
func lasting(err error) bool {
	var answered *statusError
	var input *bulk.InputError
	refused := errors.As(err, &answered) && answered.status != http.StatusTooManyRequests &&
		answered.status < http.StatusInternalServerError
	return refused || errors.Is(err, errNoJob) || errors.As(err, &input)
}

func (run *bulkRun) upload(ctx context.Context) error {
	info, err := run.in.Stat()
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	o, query := run.options(), url.Values{}
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
	if run.inputFormat() == bulk.NDJSON {
		mediaType = "application/x-ndjson"
	}
	header := http.Header{"Content-Type": {mediaType}, "Expect": {"100-continue"}}
	body := io.NewSectionReader(run.in, 0, info.Size()) // which the client does not close
	res, err := run.send(ctx, http.MethodPost, "/v2/jobs?"+query.Encode(), body, header)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var job serverJob
	if err := json.NewDecoder(res.Body).Decode(&job); err != nil || job.JobID == "" {
		return errors.New("upload: the server's answer is no job; is it a geogate?")
	}
	run.state.JobID = job.JobID
	run.progress.tell(bulk.Counts{}, job.Rows)
	return run.save()
}

func (run *bulkRun) job(ctx context.Context) (serverJob, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	res, err := run.send(ctx, http.MethodGet, "/v2/jobs/"+run.state.JobID, nil, nil)
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
func (run *bulkRun) follow(ctx context.Context) (serverJob, error) {
	var job serverJob
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for heard := time.Now(); ; {
		now, err := run.job(ctx)
		switch {
		case err == nil:
			job, heard = now, time.Now()
			run.progress.tell(job.counts(), job.Rows)
		case lasting(err), ctx.Err() != nil, time.Since(heard) > serverPatience:
			return job, err
		}
		switch job.State {
		case bulk.Finished:
			return job, nil
		case bulk.Failed:
			return job, fmt.Errorf("the job has failed: %s", job.Error)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return job, fmt.Errorf("follow job: %w", ctx.Err())
		}
	}
}

// download fetches the result behind what there is of it, as often as the
// connection breaks.
func (run *bulkRun) download(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for heard := time.Now(); ; {
		gained, err := run.downloadRest(ctx)
		if gained > 0 {
			heard = time.Now()
		}
		if err == nil {
			return nil
		}
		if lasting(err) || ctx.Err() != nil || time.Since(heard) > serverPatience || run.Output == "" && gained > 0 {
			return fmt.Errorf("download: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("download: %w", ctx.Err())
		}
	}
}

func (run *bulkRun) downloadRest(ctx context.Context) (int64, error) {
	header, at := http.Header{}, int64(0)
	if run.Output != "" {
		var err error
		if at, err = run.out.Seek(0, io.SeekEnd); err != nil {
			return 0, err
		}
		if at > 0 {
			header.Set("Range", fmt.Sprintf("bytes=%d-", at))
		}
	}
	target := fmt.Sprintf("/v2/jobs/%s/result?format=%s&safe=%t", run.state.JobID, run.Format, run.Safe)
	res, err := run.send(ctx, http.MethodGet, target, nil, header)
	var answered *statusError
	if errors.As(err, &answered) && answered.status == http.StatusRequestedRangeNotSatisfiable && at > 0 {
		return 0, nil // there is no byte behind the last one
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if at > 0 && res.StatusCode != http.StatusPartialContent {
		if err := run.out.Truncate(0); err != nil {
			return 0, err
		}
		if _, err := run.out.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return io.Copy(run.out, res.Body)
}

package jobs

import (
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

// wireJob is a job on the wire.
type wireJob struct {
	JobID     string         `json:"job_id"`
	State     bulk.State     `json:"state"`
	Error     string         `json:"error,omitempty"`
	Rows      int            `json:"rows"`
	Done      int            `json:"done"`
	Found     int            `json:"found"`
	Empty     int            `json:"empty"`
	Invalid   int            `json:"invalid"`
	Failed    int            `json:"failed"`
	CacheHits int            `json:"cache_hits"`
	ETA       *exchange.Time `json:"eta"`
	CreatedAt exchange.Time  `json:"created_at"`
	StartedAt *exchange.Time `json:"started_at"`
	EndedAt   *exchange.Time `json:"ended_at"`
}

func newWireJob(j bulk.Job) wireJob {
	return wireJob{
		JobID: j.ID, State: j.State, Error: j.Error, Rows: j.Rows,
		Done: j.Done, Found: j.Found, Empty: j.Empty, Invalid: j.Invalid, Failed: j.Failed, CacheHits: j.CacheHits,
		ETA: exchange.OptionalTime(j.ETA), CreatedAt: exchange.Time(j.CreatedAt), StartedAt: exchange.OptionalTime(j.StartedAt), EndedAt: exchange.OptionalTime(j.EndedAt),
	}
}

// Get tells how a job stands; with ?wait= it waits for the next state.
func (a *API) Get(w http.ResponseWriter, r *http.Request) error {
	id, wait, _, err := exchange.IDAndWait(r)
	if err != nil {
		return err
	}
	job, err := a.master.Job(as(r), id)
	if err != nil {
		return err
	}
	if wait > 0 {
		ctx, cancel := a.streams.Await(as(r), wait)
		defer cancel()
		for state := job.State; job.State == state && !state.Ended() && ctx.Err() == nil; {
			if job, err = a.master.Wait(ctx, id, job.Version); err != nil {
				return err
			}
		}
	}
	return exchange.Respond(w, http.StatusOK, newWireJob(job))
}

// Delete stops a job and erases it.
func (a *API) Delete(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.IDAlone(r)
	if err != nil {
		return err
	}
	if err := a.master.Delete(as(r), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

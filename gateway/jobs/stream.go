package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

// Follow is the progress of a job as a stream of events: first how it stands,
// then each change, closed after the last one. A job that is deleted meanwhile
// ends as cancelled.
func (a *API) Follow(w http.ResponseWriter, r *http.Request) error {
	id, err := exchange.PathParam(r, "id")
	if err != nil {
		return err
	}
	seen, err := exchange.LastVersion(r)
	if err != nil {
		return err
	}
	job, err := a.master.Job(as(r), id)
	if err != nil {
		return err
	}
	if job.State.Ended() && seen == job.Version {
		w.WriteHeader(http.StatusNoContent) // tells a browser not to come again
		return nil
	}
	return a.streams.Serve(w, r, "\n"+event(job), func(ctx context.Context) (events string, last bool, err error) {
		if job.State.Ended() {
			return "", true, nil
		}
		changed, err := a.master.Wait(ctx, job.ID, job.Version)
		switch {
		case errors.Is(err, bulk.ErrNotFound):
			job.State = bulk.Cancelled
			job.Version++
		case errors.Is(err, bulk.ErrUnavailable):
			return "", false, exchange.ErrStoreAway
		case err != nil:
			return "", false, fmt.Errorf("follow job: %w", err)
		case changed.Version == job.Version:
			return "", false, nil
		default:
			job = changed
		}
		return event(job), job.State.Ended(), nil
	})
}

func event(job bulk.Job) string {
	data, err := json.Marshal(newWireJob(job))
	if err != nil { // strings, numbers and times always encode
		panic(err)
	}
	return exchange.Event(strconv.FormatInt(job.Version, 10), string(job.State), data)
}

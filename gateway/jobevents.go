package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"geogate/internal/bulk"
)

// jobEvents is the progress of a job as server-sent events: first how it
// stands, then each change, closed after the last one. A job that is deleted
// meanwhile ends as cancelled.
func (g *Gateway) jobEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	seen, err := lastEventID(r)
	if err != nil {
		return err
	}
	job, err := g.jobs.Job(r.Context(), id)
	if err != nil {
		return err
	}
	if job.State.Ended() && seen == job.Version {
		w.WriteHeader(http.StatusNoContent) // tells a browser not to come again
		return nil
	}
	return g.stream(w, r, func(ctx context.Context, s *eventStream) error { return g.followJob(ctx, s, job) })
}

// followJob sends a job and its changes.
func (g *Gateway) followJob(ctx context.Context, s *eventStream, job bulk.Job) error {
	if err := s.send(retryHint() + "\n" + jobEvent(job)); err != nil {
		return err
	}
	for sent := job.Version; !job.State.Ended(); {
		until, cancel := g.awaiting(ctx, time.Until(s.last.Add(g.heartbeat)))
		changed, err := g.jobs.Wait(until, job.ID, sent)
		switch {
		case errors.Is(err, bulk.ErrNotFound):
			job.State = bulk.Cancelled
			job.Version++
		case errors.Is(err, bulk.ErrUnavailable):
			pause(until, storePause) // a stream outlives an outage
		case err != nil:
			cancel()
			return fmt.Errorf("follow job: %w", err)
		default:
			job = changed
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the client has gone away, which is how streams end
		case job.Version != sent:
			err = s.send(jobEvent(job))
			sent = job.Version
		case g.draining.Err() != nil:
			return s.send(retryHint() + ": stopping\n\n")
		case time.Since(s.last) >= g.heartbeat:
			err = s.send(":\n\n")
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func jobEvent(job bulk.Job) string {
	data, err := json.Marshal(newWireJob(job))
	if err != nil { // strings, numbers and times always encode
		panic(err)
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", job.Version, job.State, data)
}

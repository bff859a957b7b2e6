// Package jobs is the room of bulk geocoding: uploads, the jobs that they become,
// their progress and results. The console has the page for all of that.
package jobs

import (
	"net/http"
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

const (
	// maxUploads and maxClientUploads bound the uploads under way in one process,
	// previews included: each holds up to 2 MiB and one core at worst.
	maxUploads       = 8
	maxClientUploads = 2
	// maxDownloads and maxClientDownloads bound the results that are being sent by
	// one process: each holds a chunk, which is mostly 1 MiB and 10 MiB at worst,
	// however slowly its client reads.
	maxDownloads       = 16
	maxClientDownloads = 4
)

// API answers requests about jobs over HTTP. It is safe for concurrent use.
type API struct {
	master    *bulk.Master
	streams   *exchange.Streams
	stall     time.Duration // how long the answer to an upload may take
	uploads   places
	downloads places
}

// New returns the API of master. stall is how long the answer to an upload may take.
func New(master *bulk.Master, streams *exchange.Streams, stall time.Duration) *API {
	return &API{
		master: master, streams: streams, stall: stall,
		uploads:   newPlaces("uploads", "too_many_uploads", maxUploads, maxClientUploads),
		downloads: newPlaces("downloads", "too_many_downloads", maxDownloads, maxClientDownloads),
	}
}

// Page leads to where the console has what was a page of its own. A browser keeps the
// fragment, which names the job.
func Page(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/console/?jobs", http.StatusSeeOther)
	return nil
}

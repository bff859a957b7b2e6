// Package jobs is the room of bulk geocoding: uploads, the jobs that they become,
// their progress and results, and the page for all of that.
package jobs

import (
	"time"

	"geogate/gateway/exchange"
	"geogate/internal/bulk"
)

// API answers requests about jobs over HTTP. It is safe for concurrent use.
type API struct {
	master  *bulk.Master
	streams *exchange.Streams
	stall   time.Duration // how long the client of a long answer may take for a piece of it
	uploads chan struct{} // a place for each upload under way
}

// New returns the API of master. stall is how long a client may take for a piece
// of a result, and how long the answer to an upload may take.
func New(master *bulk.Master, streams *exchange.Streams, stall time.Duration) *API {
	return &API{master, streams, stall, make(chan struct{}, maxUploads)}
}

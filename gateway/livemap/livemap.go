// Package livemap is the room of maps that move: a stream of all drivers and rides in a
// box, first as they are and then as they change.
//
// One read of Redis serves all maps of a process, and one text all maps of the same box.
// A client that reads slowly skips to the newest state; one that stops reading is
// dropped by exchange. With no map open nothing is read and nothing is kept.
package livemap

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"geogate/dispatch"
	"geogate/gateway/exchange"
)

const (
	// maxMaps bounds how many maps are open in a process: each box that nobody shares
	// costs a look at everything that moves, twice a second.
	maxMaps = 256
	// maxMapsPerClient bounds how many of them one client has.
	maxMapsPerClient = 64
)

// Config is what the API needs besides dispatch. All of it is required.
type Config struct {
	Streams *exchange.Streams
	// DriverJSON and RideJSON are a driver and a ride as the rest of the API shows them.
	DriverJSON func(dispatch.Driver) (json.RawMessage, error)
	RideJSON   func(dispatch.Ride) (json.RawMessage, error)
}

// API answers requests for maps over HTTP. It is safe for concurrent use.
type API struct {
	streams *exchange.Streams
	mirror  *mirror
	shares  *exchange.Shares
}

// New returns the API of engine.
func New(engine *dispatch.Engine, cfg Config) *API {
	return &API{cfg.Streams, newMirror(engine.Follow, cfg), exchange.NewShares(maxMaps, maxMapsPerClient)}
}

var errTooManyMaps = exchange.NewProblem(http.StatusServiceUnavailable, "too_many_streams",
	"as many maps are open as this geogate allows").WithHint("close one that nobody looks at")

// Follow is a stream of events: "drivers" and "rides" with those in the box, then at
// most twice a second those that have changed or come in, and "gone" with the ids of
// those that have left.
func (a *API) Follow(w http.ResponseWriter, r *http.Request) error {
	query, err := exchange.Parameters(r.URL, "bbox", "access_token")
	if err != nil {
		return err
	}
	area, err := exchange.BoxOf(query.Get("bbox"))
	if err != nil {
		return err
	}
	giveBack, err := a.shares.Take(exchange.Of(r).Counted())
	if err != nil {
		return errTooManyMaps
	}
	defer giveBack()
	v, leave := a.mirror.join(area)
	defer leave()
	var shown uint64
	return a.streams.Serve(w, r, "\n", func(ctx context.Context) (events string, last bool, err error) {
		events, shown, err = v.next(ctx, shown)
		switch {
		case errors.Is(err, errBehind):
			return "", true, nil
		case errors.Is(err, dispatch.ErrUnavailable):
			err = exchange.ErrStoreAway
		}
		return events, false, err
	})
}

// idList encodes ids as JSON.
func idList(ids []string) string {
	var text strings.Builder
	text.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			text.WriteByte(',')
		}
		encoded, err := json.Marshal(id)
		if err != nil { // a string always encodes
			encoded = strconv.AppendQuote(nil, "")
		}
		text.Write(encoded)
	}
	text.WriteByte(']')
	return text.String()
}

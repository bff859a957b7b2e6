package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"geogate/gateway/exchange"
	"geogate/internal/basemap"
)

// maxPiece is the longest piece of the archive of tiles in one answer, in bytes. A tile
// takes half a megabyte at most, a directory a few.
const maxPiece = 8 << 20

// underlay is what the map lies on. Where it has nothing, that is what geogate has built in.
type underlay struct {
	Style   json.RawMessage  `json:"style,omitempty"`
	Tiles   *basemap.Tileset `json:"tiles,omitempty"`   // of /console/tiles.pmtiles
	Problem string           `json:"problem,omitempty"` // why there is no style
}

// style is nil where the operator has none, and where it could not be read.
func (a *API) style(r *http.Request) (*basemap.Style, error) {
	if a.cfg.Style == nil {
		return nil, nil //nolint:nilnil // none is not an error
	}
	return a.cfg.Style.Current(r.Context()) //nolint:wrapcheck // for people
}

// Basemap tells what the map lies on.
func (a *API) Basemap(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	var answer underlay
	switch style, err := a.style(r); {
	case err != nil:
		answer.Problem = err.Error()
	case style != nil:
		answer.Style = style.Document
	case a.cfg.Tiles != nil:
		answer.Tiles = &a.cfg.Tiles.Tileset
	}
	return exchange.Respond(w, http.StatusOK, answer)
}

// Tiles sends a piece of the archive of tiles. It sends no more than that, so that a
// request costs about as much as the part of a map that it is for.
func (a *API) Tiles(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	if a.cfg.Tiles == nil {
		return exchange.NewProblem(http.StatusNotFound, "not_found", "there is no archive of tiles")
	}
	if !isPiece(r.Header.Get("Range")) {
		return exchange.NewProblem(http.StatusRequestedRangeNotSatisfiable, "invalid_range", "the archive is sent in pieces").
			WithHint(fmt.Sprintf("ask for one of at most %d bytes, such as Range: bytes=0-16383", maxPiece))
	}
	h := w.Header()
	modified := a.cfg.Tiles.Modified()
	h.Set("Content-Type", "application/vnd.pmtiles")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, modified.UnixNano(), a.cfg.Tiles.Content().Size()))
	http.ServeContent(w, r, "", modified, a.cfg.Tiles.Content())
	return nil
}

// isPiece tells whether a Range is one piece that is short enough.
func isPiece(header string) bool {
	first, last, found := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	from, err := strconv.ParseUint(first, 10, 63)
	to, err2 := strconv.ParseUint(last, 10, 63)
	return found && err == nil && err2 == nil && strings.HasPrefix(header, "bytes=") && from <= to && to-from < maxPiece
}

package console

import (
	"math"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"geogate/gateway/exchange"
	"geogate/internal/gazetteer"
	"geogate/internal/gazetteer/packed"
)

const (
	// maxLabelZoom is where a tile shows every village; the map enlarges those beyond.
	maxLabelZoom = 10
	// labelsPerTile is how many names a tile has at most: a screen shows some four tiles.
	labelsPerTile = 40
)

// label is a town on the map.
type label struct {
	Name       string  `json:"name"`
	Lat        float64 `json:"lat"`
	Lng        float64 `json:"lng"`
	Population int64   `json:"population"`
	Capital    bool    `json:"capital,omitempty"`
}

// Labels names the largest towns in a tile of the usual scheme: zoom z divides the world
// into 2^z by 2^z squares on Mercator's map.
func (a *API) Labels(w http.ResponseWriter, r *http.Request) error {
	if err := exchange.NoParameters(r); err != nil {
		return err
	}
	box, found := tileBox(chi.URLParam(r, "z"), chi.URLParam(r, "x"), chi.URLParam(r, "y"))
	if !found {
		return exchange.NewProblem(http.StatusNotFound, "not_found", "there is no such tile").
			WithHint("zoom is 0 to " + strconv.Itoa(maxLabelZoom))
	}
	answer := struct {
		Labels      []label `json:"labels"`
		Attribution string  `json:"attribution"`
	}{[]label{}, gazetteer.Attribution.Text}
	if a.cfg.Places != nil {
		for _, l := range a.cfg.Places.Largest(box, labelsPerTile) {
			answer.Labels = append(answer.Labels, label{l.Name, l.Point.Lat, l.Point.Lon, l.Population, l.Capital})
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=86400")
	return exchange.Respond(w, http.StatusOK, answer)
}

// tileBox is the part of the world in a tile.
func tileBox(zoom, column, row string) (packed.Box, bool) {
	z, errZ := strconv.Atoi(zoom)
	x, errX := strconv.Atoi(column)
	y, errY := strconv.Atoi(row)
	if errZ != nil || errX != nil || errY != nil || z < 0 || z > maxLabelZoom || x < 0 || y < 0 || x >= 1<<z || y >= 1<<z {
		return packed.Box{}, false
	}
	size := float64(int(1) << z)
	lon := func(x int) float64 { return float64(x)/size*360 - 180 }
	lat := func(y int) float64 {
		return math.Atan(math.Sinh(math.Pi*(1-2*float64(y)/size))) * 180 / math.Pi
	}
	return packed.Box{South: lat(y + 1), North: lat(y), West: lon(x), East: lon(x + 1)}, true
}

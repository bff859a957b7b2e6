package rides

import (
	"encoding/json"
	"net/http"

	"geogate/gateway/exchange"
	"geogate/internal/region"
)

// wireRegion is a region; geometry is null for one that has no place.
type wireRegion struct {
	Name     string          `json:"name"`
	Geometry json.RawMessage `json:"geometry"`
}

// regionList is the answer about all regions. It is made once: the outlines of many may
// take megabytes.
func regionList(names []string, places *region.Map) *exchange.File {
	geometry := map[string]json.RawMessage{}
	if places != nil {
		for _, r := range places.Regions() {
			geometry[r.Name] = r.Geometry
		}
	}
	list := make([]wireRegion, len(names))
	for i, name := range names {
		list[i] = wireRegion{name, geometry[name]}
	}
	body, err := json.Marshal(map[string][]wireRegion{"regions": list})
	if err != nil {
		panic(err) // the geometry was JSON when the file was read
	}
	return exchange.NewFile("regions.json", append(body, '\n'))
}

// Regions lists the regions and where they are.
func (a *API) Regions(w http.ResponseWriter, r *http.Request) error { return a.regions.Serve(w, r) }

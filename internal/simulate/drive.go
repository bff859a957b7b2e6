package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"geogate/internal/geo"
)

// ReadDrive reads the points of a recorded drive, one a second: a JSON array of
// objects with a "point" in WKT, "POINT(lon lat)".
func ReadDrive(r io.Reader) ([]geo.Point, error) {
	var fixes []struct {
		Point string `json:"point"`
	}
	if err := json.NewDecoder(r).Decode(&fixes); err != nil {
		return nil, fmt.Errorf("read drive: %w", err)
	}
	if len(fixes) == 0 {
		return nil, errors.New("read drive: there are no points in it")
	}
	points := make([]geo.Point, len(fixes))
	for i, f := range fixes {
		if _, err := fmt.Sscanf(f.Point, "POINT(%g %g)", &points[i].Lon, &points[i].Lat); err != nil || !points[i].Valid() {
			return nil, fmt.Errorf("read drive: point %d is %q, want POINT(lon lat)", i+1, f.Point)
		}
	}
	return points, nil
}

package upstream

import (
	"fmt"
	"net/http"
	"slices"

	"geogate/internal/place"
	"geogate/upstream/provider"
)

// unserved is the answer where no provider has the endpoint. For /status the
// gateway speaks for itself; for others it refuses in the shape in which a
// Nominatim without a search index refuses searches.
func unserved(r Request) Answer {
	const self = "geogate"
	var a Answer
	switch {
	case !slices.Contains(r.Endpoint().Formats(), r.Format()):
		a = provider.Refuse(self, r.Mistake())
	case r.Endpoint() == Status:
		contentType, body := place.RenderStatus(r.Format(), place.Status{Message: "OK", Software: self})
		a = Answer{
			Status: http.StatusOK, ContentType: contentType, Body: body, Outcome: Found, Provider: self,
		}
	default:
		a = provider.Refuse(self, &BadRequest{
			Status: http.StatusNotFound, Format: r.Format(),
			Message: fmt.Sprintf("The upstream does not offer /%s.", r.Endpoint()),
		})
	}
	a.NoStore = true
	return a
}

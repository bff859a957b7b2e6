package provider

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"

	"geogate/internal/outbound"
	"geogate/internal/place"
	"geogate/upstream/request"
)

// unableToGeocode is what Nominatim says to a reverse request that finds
// nothing, with status 200. Clients branch on exactly this.
const unableToGeocode = "Unable to geocode"

// judge decides what a reply of a Nominatim is. It returns an error for
// everything that Nominatim itself would not have written.
func judge(r request.Request, rep outbound.Reply) (Outcome, error) {
	media, _, err := mime.ParseMediaType(rep.ContentType)
	if err != nil {
		return "", fmt.Errorf("content type: %w", err)
	}
	switch rep.Status {
	case 200:
		if r.Debug() {
			if media != "text/html" {
				return "", fmt.Errorf("content type %s for a debug page", media)
			}
			return Found, nil
		}
		return judgeBody(r, media, rep.Body)
	case 400, 404:
		if !isRefusal(media, rep.Body) {
			return "", fmt.Errorf("status %d that is not Nominatim's", rep.Status)
		}
		return Refused, nil
	default:
		return "", fmt.Errorf("status %d", rep.Status)
	}
}

func judgeBody(r request.Request, media string, body []byte) (Outcome, error) {
	if want := mediaTypes(r.Format()); !slices.Contains(want, media) {
		return "", fmt.Errorf("content type %s instead of %s", media, want[0])
	}
	switch r.Format() {
	case place.XML:
		return judgeXML(r.Endpoint(), body)
	case place.Text:
		if strings.TrimSpace(string(body)) == "" {
			return "", errors.New("empty body")
		}
		return Found, nil
	default:
		return judgeJSON(r, body)
	}
}

func mediaTypes(f place.Format) []string {
	switch f {
	case place.XML:
		return []string{"text/xml", "application/xml"}
	case place.GeoJSON, place.GeocodeJSON:
		return []string{"application/json", "application/geo+json"}
	case place.JSON, place.JSONV2:
		return []string{"application/json"}
	default:
		return []string{"text/plain"}
	}
}

func judgeJSON(r request.Request, body []byte) (Outcome, error) {
	if !json.Valid(body) {
		return "", errors.New("not JSON")
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	wantList := false
	switch r.Endpoint() {
	case request.Search, request.Lookup:
		wantList = r.Format() == place.JSON || r.Format() == place.JSONV2
	case request.Deletable, request.Polygons:
		wantList = true
	}
	if wantList {
		if body[0] != '[' {
			return "", errors.New("not a JSON list")
		}
		rest := bytes.TrimLeft(body[1:], " \t\r\n")
		switch rest[0] {
		case ']':
			return Empty, nil
		case '{':
			return Found, nil
		default:
			return "", errors.New("not a JSON list of objects")
		}
	}
	if body[0] != '{' {
		return "", errors.New("not a JSON object")
	}
	return judgeObject(r, body)
}

func judgeObject(r request.Request, body []byte) (Outcome, error) {
	var top struct {
		Error    json.RawMessage   `json:"error"`
		Type     string            `json:"type"`
		Features []json.RawMessage `json:"features"`
	}
	if err := json.Unmarshal(body, &top); err != nil {
		return "", errors.New("not the JSON object asked for")
	}
	if top.Error != nil {
		var message string
		if json.Unmarshal(top.Error, &message) == nil && message == unableToGeocode {
			return Empty, nil
		}
		return "", errors.New("an error with status 200")
	}
	if r.Format() == place.GeoJSON || r.Format() == place.GeocodeJSON {
		if top.Type != "FeatureCollection" || top.Features == nil {
			return "", errors.New("not a GeoJSON feature collection")
		}
		if len(top.Features) == 0 {
			return Empty, nil
		}
	}
	return Found, nil
}

// judgeXML reads the document to its end, so that a truncated one does not pass.
func judgeXML(ep request.Endpoint, body []byte) (Outcome, error) {
	want := "searchresults"
	if ep == request.Reverse {
		want = "reversegeocode"
	}
	outcome := Empty
	depth, roots := 0, 0
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && roots == 1 {
			return outcome, nil
		}
		if err != nil {
			return "", fmt.Errorf("not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
				if t.Name.Local != want {
					return "", fmt.Errorf("XML root %q instead of %q", t.Name.Local, want)
				}
			}
			if depth == 1 && (t.Name.Local == "place" || t.Name.Local == "result") {
				outcome = Found
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// isRefusal reports whether a body is an error in Nominatim's own shape.
func isRefusal(media string, body []byte) bool {
	switch media {
	case "application/json":
		var shape struct {
			Error struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		return json.Unmarshal(body, &shape) == nil && shape.Error.Code != 0
	case "text/xml", "application/xml":
		var shape struct {
			XMLName xml.Name `xml:"error"`
			Code    int      `xml:"code"`
		}
		return xml.Unmarshal(body, &shape) == nil && shape.Code != 0
	case "text/plain":
		return bytes.HasPrefix(body, []byte("ERROR 4"))
	default:
		return false
	}
}

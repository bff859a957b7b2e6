// Package basemap is what an operator may put under the drivers of the console: a MapLibre
// style of their own, or an archive of tiles in a file. It promises that a style asks no
// host that it does not name, and that an archive can be read before anybody opens a map.
package basemap

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxSources is how many sources a style may have: each may cost a request of its own.
	maxSources = 32
	// maxOrigins is how many hosts a style may name: each stands in a header of the console.
	maxOrigins = 16
)

// Style is a MapLibre style whose addresses are absolute, and where its parts come from.
type Style struct {
	Document json.RawMessage
	// Origins are all that a browser asks for the style, such as "https://tiles.example.org",
	// sorted. They are fit for a Content-Security-Policy as they stand.
	Origins []string
}

// reader makes a Style out of what an operator's server sent.
type reader struct {
	base    *url.URL                             // of the document; relative addresses begin here
	get     func(address string) ([]byte, error) // reads what a source says of itself (TileJSON)
	origins []string
}

// fields of a style and of a source that a map of the console understands. What is left
// out includes whatever would ask other hosts, or turn the map into a globe.
var (
	styleFields  = []string{"version", "name", "sources", "layers", "sprite", "glyphs", "transition"}
	sourceFields = []string{
		"type", "tiles", "url", "data", "coordinates", "bounds", "scheme", "minzoom", "maxzoom", "tileSize", "encoding", "attribution",
		"buffer", "tolerance", "cluster", "clusterRadius", "clusterMaxZoom", "clusterMinPoints", "clusterProperties", "lineMetrics",
		"generateId", "promoteId", "filter", "volatile",
	}
	tileJSONFields = []string{"tiles", "bounds", "scheme", "minzoom", "maxzoom", "encoding", "attribution"}
)

// object is a JSON object whose values nobody has looked at.
type object map[string]json.RawMessage

func (o object) keepOnly(fields []string) {
	for name := range o {
		if !slices.Contains(fields, name) {
			delete(o, name)
		}
	}
}

// text is the string in a field, "" where there is none.
func (o object) text(field string) string {
	var s string
	_ = json.Unmarshal(o[field], &s)
	return s
}

func (o object) set(field string, value any) {
	o[field], _ = json.Marshal(value) //nolint:errchkjson // strings and lists of them
}

func (r *reader) style(document []byte) (Style, error) {
	var style object
	if err := json.Unmarshal(document, &style); err != nil {
		return Style{}, errors.New("it is not JSON")
	}
	var sources map[string]object
	if err := json.Unmarshal(style["sources"], &sources); err != nil || string(style["version"]) != "8" || style["layers"] == nil {
		return Style{}, errors.New("it is not a style of version 8 with sources and layers")
	}
	if len(sources) > maxSources {
		return Style{}, fmt.Errorf("it has %d sources, and may have %d", len(sources), maxSources)
	}
	style.keepOnly(styleFields)
	for name, source := range sources {
		if err := r.source(source); err != nil {
			return Style{}, fmt.Errorf("source %.64q: %w", name, err)
		}
	}
	r.attribute(sources)
	style.set("sources", sources)
	for _, field := range []string{"glyphs", "sprite"} {
		if err := r.resources(style, field); err != nil {
			return Style{}, fmt.Errorf("%s: %w", field, err)
		}
	}
	if len(r.origins) > maxOrigins {
		return Style{}, fmt.Errorf("it names %d hosts, and may name %d", len(r.origins), maxOrigins)
	}
	slices.Sort(r.origins)
	whole, err := json.Marshal(style)
	return Style{whole, r.origins}, err //nolint:wrapcheck // what was read as JSON can be written
}

// source makes the addresses in a source absolute, and reads its TileJSON.
func (r *reader) source(source object) error {
	var err error
	switch kind := source.text("type"); kind {
	case "vector", "raster", "raster-dem":
		if err = r.tiles(source, r.base); err == nil {
			err = r.tileJSON(source)
		}
	case "geojson":
		if source.text("data") != "" { // else the data itself stands there
			err = r.address(source, "data")
		}
	case "image":
		err = r.address(source, "url")
	default:
		err = fmt.Errorf("the console draws no sources of type %.32q", kind)
	}
	source.keepOnly(sourceFields)
	if attribution := source.text("attribution"); attribution != "" {
		source.set("attribution", plainLinks(attribution))
	} else {
		delete(source, "attribution")
	}
	return err
}

// attribute names the host of a style whose sources say nothing of where they are from.
func (r *reader) attribute(sources map[string]object) {
	for _, source := range sources {
		if source.text("attribution") != "" {
			return
		}
	}
	for _, source := range sources {
		source.set("attribution", "Map: "+r.base.Host)
	}
}

// archive is how styles name an archive of tiles that browsers read piece by piece.
const archive = "pmtiles://"

// tileJSON puts what a source's address says of it into the source, whose own words go
// first.
func (r *reader) tileJSON(source object) error {
	address := source.text("url")
	if address == "" {
		return nil
	}
	if inside, found := strings.CutPrefix(address, archive); found {
		absolute, err := r.resolve(r.base, inside)
		source.set("url", archive+absolute)
		return err
	}
	absolute, err := r.resolve(r.base, address)
	if err != nil {
		return err
	}
	base, err := url.Parse(absolute)
	if err != nil {
		return errNoAddress
	}
	body, err := r.get(absolute)
	if err != nil {
		return err
	}
	var described object
	if err := json.Unmarshal(body, &described); err != nil || described["tiles"] == nil {
		return errors.New("what its url answers is not TileJSON")
	}
	if err := r.tiles(described, base); err != nil {
		return err
	}
	described.keepOnly(tileJSONFields)
	for name, value := range described {
		if source[name] == nil {
			source[name] = value
		}
	}
	delete(source, "url")
	return nil
}

// tiles makes the templates of a source absolute.
func (r *reader) tiles(source object, base *url.URL) error {
	if source["tiles"] == nil {
		return nil
	}
	var templates []string
	if err := json.Unmarshal(source["tiles"], &templates); err != nil {
		return errors.New("its tiles are not a list of addresses")
	}
	for i := range templates {
		absolute, err := r.resolve(base, templates[i])
		if err != nil {
			return err
		}
		templates[i] = absolute
	}
	source.set("tiles", templates)
	return nil
}

// resources makes the address of glyphs or sprites absolute. Of sprites there may be several.
func (r *reader) resources(style object, field string) error {
	if style[field] == nil {
		return nil
	}
	var several []struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	}
	if json.Unmarshal(style[field], &several) != nil {
		return r.address(style, field)
	}
	for i := range several {
		absolute, err := r.resolve(r.base, several[i].URL)
		if err != nil {
			return err
		}
		several[i].URL = absolute
	}
	style.set(field, several)
	return nil
}

func (r *reader) address(o object, field string) error {
	absolute, err := r.resolve(r.base, o.text(field))
	o.set(field, absolute)
	return err
}

var errNoAddress = errors.New("want addresses that begin with https:// or http:// and a name")

// braces are what templates such as {z} have, and addresses have not.
var braces = strings.NewReplacer("%7B", "{", "%7D", "}")

// hosts are what may stand in a Content-Security-Policy.
var hosts = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$`)

// resolve returns an address in full, and remembers its origin.
func (r *reader) resolve(base *url.URL, address string) (string, error) {
	relative, err := url.Parse(address)
	if err != nil || address == "" {
		return "", errNoAddress
	}
	absolute := base.ResolveReference(relative)
	host := strings.ToLower(absolute.Host)
	if absolute.Scheme != "https" && absolute.Scheme != "http" || absolute.User != nil || !hosts.MatchString(host) {
		return "", errNoAddress
	}
	if origin := absolute.Scheme + "://" + host; !slices.Contains(r.origins, origin) {
		r.origins = append(r.origins, origin)
	}
	return braces.Replace(absolute.String()), nil
}

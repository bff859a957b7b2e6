package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"geogate/dispatch"
	"geogate/internal/basemap"
	"geogate/internal/command/redisclient"
	"geogate/internal/config"
	"geogate/internal/geo"
	"geogate/internal/identity"
	"geogate/internal/region"
	"geogate/internal/routing"
	"geogate/internal/trace"
	"geogate/upstream"
)

// settings are the configuration and, of the variables whose form belongs to
// another package, what that package reads in them.
type settings struct {
	config.Config
	redis     *redis.UniversalOptions // nil: the built-in Redis
	upstreams []upstream.Spec
	routers   []routing.Spec
	places    *region.Map // nil without REGIONS_FILE
	anonymous identity.Scope
	minter    *identity.Minter // nil without TOKEN_SECRET
	tiles     *basemap.Archive // nil without MAP_PMTILES; the end of the process closes it

	spans       *url.URL // where spans go; nil: nowhere
	spanHeaders http.Header
	sampler     trace.Sampler
	samplerName string
}

// loadSettings reads the environment. The error, if any, is a *config.Error.
func loadSettings(getenv func(string) string) (settings, error) {
	var s settings
	var err error
	s.Config, err = config.Load(getenv, map[string]config.Reader{
		"REDIS_URL":        s.readRedis,
		"UPSTREAMS":        s.readUpstreams,
		"UPSTREAM_CONTACT": s.readContact,
		"ANONYMOUS":        s.readAnonymous,
		"ROUTER":           s.readRouters,
		"REGIONS_FILE":     s.readRegions,
		"TOKEN_SECRET":     s.readTokenSecret,
		"REGIONS":          readRegions,
		"MAP_STYLE_URL":    readMapStyle,
		"MAP_PMTILES":      s.readTiles,

		"OTEL_EXPORTER_OTLP_ENDPOINT":        func(address string) error { return s.readSpans(address, "v1/traces") },
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": func(address string) error { return s.readSpans(address, "") },
		"OTEL_EXPORTER_OTLP_HEADERS":         s.readSpanHeaders,
		"OTEL_TRACES_SAMPLER":                s.readSampler,
		"OTEL_TRACES_SAMPLER_ARG":            s.readShare,
	})
	if err != nil {
		return settings{}, err
	}
	if s.OTelDisabled || s.OTelExporter == "none" {
		s.spans = nil
	}
	if s.RedisTLSSkipVerify {
		redisclient.SkipVerify(s.redis)
	}
	return s, nil
}

func (s *settings) readRedis(url string) (err error) {
	s.redis, err = redisclient.ParseURL(url)
	return err
}

func (s *settings) readUpstreams(list string) (err error) {
	s.upstreams, err = upstream.ParseSpecs(list)
	return err
}

func (s *settings) readRouters(list string) (err error) {
	s.routers, err = routing.ParseSpecs(list)
	return err
}

func (s *settings) readRegions(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, region.MaxBytes+1))
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	s.places, err = region.Parse(text, dispatch.IsRegionName)
	return err //nolint:wrapcheck // says where in the file
}

// regions are the names of all regions: of REGIONS, and of those by place.
func (s *settings) regions() []string {
	all := slices.Clone(s.Regions)
	if s.places != nil {
		all = append(all, s.places.Names()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// regionAt is nil where no region has a place.
func (s *settings) regionAt() func(geo.Point) (string, bool) {
	if s.places == nil {
		return nil
	}
	return s.places.At
}

// readContact comes after readUpstreams: some providers ask for a contact.
func (s *settings) readContact(contact string) error {
	for _, spec := range s.upstreams {
		if spec.NeedsContact() && contact == "" {
			return errors.New("want an e-mail address or URL: the terms of " + spec.Name + " ask for it")
		}
	}
	return nil
}

func (s *settings) readAnonymous(scopes string) (err error) {
	s.anonymous, err = identity.ParseAnonymous(scopes)
	return err
}

// readRegions checks the names that the configuration has split already.
func readRegions(list string) error {
	if list == "" {
		return nil
	}
	names := strings.Split(list, ",")
	for i, name := range names {
		switch {
		case !dispatch.IsRegionName(name):
			return fmt.Errorf("%q cannot be a region: want names such as munich,berlin, each 1 to %d of a-z, 0-9, - and _, beginning with a letter or digit", name, dispatch.MaxRegionLen)
		case slices.Contains(names[:i], name):
			return fmt.Errorf("%q stands twice", name)
		}
	}
	return nil
}

func (s *settings) readTokenSecret(secret string) (err error) {
	s.minter, err = identity.NewMinter(secret)
	return err
}

// readMapStyle asks nobody for the style: a server that is away keeps nothing from starting.
func readMapStyle(address string) error {
	if address == "" {
		return nil
	}
	return basemap.CheckURL(address) //nolint:wrapcheck // says what is wanted
}

func (s *settings) readTiles(path string) (err error) {
	if path != "" {
		s.tiles, err = basemap.OpenArchive(path)
	}
	return err
}

// readSpans reads where spans go. A collector's own address wins over that of all
// signals, to which the path of traces is added.
func (s *settings) readSpans(address, path string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return errors.New("want an http:// or https:// URL without user and password, such as http://collector:4318")
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	s.spans = u
	return nil
}

func (s *settings) readSpanHeaders(list string) error {
	s.spanHeaders = http.Header{}
	if list == "" {
		return nil
	}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || err != nil || !isHeaderName(name) || strings.ContainsAny(value, "\r\n\x00") {
			return errors.New("want name=value pairs, comma-separated, values percent-encoded")
		}
		s.spanHeaders.Add(name, value)
	}
	return nil
}

// isHeaderName reports whether name may name a field of HTTP.
func isHeaderName(name string) bool {
	const alphabet = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return name != "" && strings.Trim(name, alphabet) == ""
}

// readSampler comes before readShare, which completes it.
func (s *settings) readSampler(name string) (err error) {
	s.samplerName = name
	s.sampler, err = trace.ParseSampler(name, "")
	return err
}

func (s *settings) readShare(share string) error {
	sampler, err := trace.ParseSampler(s.samplerName, share)
	if errors.Is(err, trace.ErrSampler) { // readSampler has said so
		return nil
	}
	s.sampler = sampler
	return err
}

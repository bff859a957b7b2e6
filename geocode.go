package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"geogate/cache"
	"geogate/gateway"
	"geogate/upstream"
)

// lookupFlags are common to geocode and reverse.
type lookupFlags struct {
	Language string `help:"Languages of the answer, best first, such as de,en."`
	Server   string `help:"Ask this geogate or Nominatim instead of the UPSTREAMS." placeholder:"URL"`
	JSON     bool   `help:"Print the places as JSON."`
}

type geocodeCmd struct {
	Address      []string `arg:"" help:"Address or name of a place."`
	Limit        int      `help:"Most places to print." default:"1"`
	CountryCodes string   `name:"countrycodes" help:"Only in these countries, such as li,ch."`
	lookupFlags
}

// Run prints the places of an address, the best one first.
func (cmd *geocodeCmd) Run(p *process) error {
	q := url.Values{"q": {strings.Join(cmd.Address, " ")}, "limit": {strconv.Itoa(cmd.Limit)}}
	if cmd.CountryCodes != "" {
		q.Set("countrycodes", cmd.CountryCodes)
	}
	return cmd.print(p, upstream.Search, q)
}

type reverseCmd struct {
	Lat float64 `arg:"" help:"Latitude in degrees."`
	Lon float64 `arg:"" help:"Longitude in degrees; write -- before negative numbers."`
	lookupFlags
}

// Run prints the place at a position.
func (cmd *reverseCmd) Run(p *process) error {
	return cmd.print(p, upstream.Reverse, url.Values{
		"lat": {strconv.FormatFloat(cmd.Lat, 'f', -1, 64)}, "lon": {strconv.FormatFloat(cmd.Lon, 'f', -1, 64)},
	})
}

// lookupTimeout bounds one question from the command line.
const lookupTimeout = 60 * time.Second

// print asks one question and prints the answer; it is errPartly when there is
// no such place.
func (f *lookupFlags) print(p *process, endpoint upstream.Endpoint, query url.Values) error {
	ctx, cancel := context.WithTimeout(p.ctx, lookupTimeout)
	defer cancel()
	query.Set("format", "json")
	ask := f.askUpstreams
	if f.Server != "" {
		ask = f.askServer
	}
	body, err := ask(ctx, p, endpoint, query)
	if err != nil {
		return err
	}
	if endpoint == upstream.Reverse { // one object, or an error that says that there is none
		body = append(append([]byte{'['}, body...), ']')
	}
	var places []struct {
		Lat         string `json:"lat"`
		Lon         string `json:"lon"`
		DisplayName string `json:"display_name"`
		Error       string `json:"error"`
	}
	if err := json.Unmarshal(body, &places); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(places) == 0 || places[0].Error != "" {
		fmt.Fprintln(p.stderr, "geogate: nothing found")
		return errPartly
	}
	if f.JSON {
		_, err := fmt.Fprintf(p.stdout, "%s\n", body)
		return err
	}
	for _, place := range places {
		if _, err := fmt.Fprintf(p.stdout, "%s,%s\t%s\n", place.Lat, place.Lon, place.DisplayName); err != nil {
			return err
		}
	}
	return nil
}

func (f *lookupFlags) askUpstreams(ctx context.Context, p *process, endpoint upstream.Endpoint, query url.Values) ([]byte, error) {
	req, err := upstream.Canonical(endpoint, query, f.Language)
	if err != nil {
		return nil, err
	}
	var body []byte
	return body, withGeocoding(ctx, p, func(ctx context.Context, g *geocoding) error {
		res, err := g.geocoder.Lookup(ctx, req, upstream.People, cache.Directives{})
		if err != nil {
			return err
		}
		body = res.Body
		return refusedBy(res.Status, res.Body)
	})
}

// withGeocoding runs do with the geocoders of the environment, and ends them.
func withGeocoding(ctx context.Context, p *process, do func(context.Context, *geocoding) error) error {
	cfg, err := loadConfig(p.getenv)
	if err != nil {
		return err
	}
	log := newLogger(cfg, p.stderr)
	rdb, err := openPatientRedis(cfg)
	if err != nil {
		return err
	}
	geo, err := openGeocoding(cfg, rdb, log, gateway.NewMetrics())
	if err != nil {
		return errors.Join(err, rdb.Close())
	}
	support, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var parts errgroup.Group
	parts.Go(func() error { return geo.cache.Run(support) })
	if rdb.builtIn != nil {
		parts.Go(func() error { return rdb.builtIn.Run(support) })
	}
	err = do(ctx, geo)
	stop()
	return errors.Join(err, parts.Wait(), rdb.Close())
}

func (f *lookupFlags) askServer(ctx context.Context, _ *process, endpoint upstream.Endpoint, query url.Values) ([]byte, error) {
	if f.Language != "" {
		query.Set("accept-language", f.Language)
	}
	target := strings.TrimSuffix(f.Server, "/") + "/" + string(endpoint) + "?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	req.Header.Set("User-Agent", "geogate/"+buildVersion())
	res, err := (&http.Client{}).Do(req) // ctx has a deadline
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxServerAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	return body, refusedBy(res.StatusCode, body)
}

// maxServerAnswer is far above what fifty places take.
const maxServerAnswer = 8 << 20

// refusedBy tells why a geocoder gave no answer, in its words where it has any.
func refusedBy(status int, body []byte) error {
	if status == http.StatusOK {
		return nil
	}
	var said struct {
		Error  struct{ Message string }
		Detail string
	}
	_ = json.Unmarshal(body, &said) // else the status has to do
	switch {
	case said.Error.Message != "":
		return fmt.Errorf("the geocoder answered %d: %s", status, said.Error.Message)
	case said.Detail != "":
		return fmt.Errorf("the server answered %d: %s", status, said.Detail)
	}
	return fmt.Errorf("the geocoder answered %d", status)
}

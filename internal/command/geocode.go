package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"geogate/cache"
	"geogate/internal/command/remote"
	"geogate/upstream"
)

// lookupFlags are common to geocode and reverse.
type lookupFlags struct {
	Language string `help:"Preferred languages of the answer, best first, such as de,en."`
	Server   string `help:"Ask this geogate or Nominatim server instead of the UPSTREAMS." placeholder:"URL"`
	JSON     bool   `help:"Print the places as JSON."`
}

type geocodeCmd struct {
	Address      []string `arg:"" help:"Address or name of a place."`
	Limit        int      `help:"Most places to print." default:"1"`
	CountryCodes string   `name:"countrycodes" help:"Only in these countries, such as li,ch."`
	lookupFlags
}

// Run prints the places of an address, the best one first.
func (cmd *geocodeCmd) Run(ctx context.Context, p *Process) error {
	q := url.Values{"q": {strings.Join(cmd.Address, " ")}, "limit": {strconv.Itoa(cmd.Limit)}}
	if cmd.CountryCodes != "" {
		q.Set("countrycodes", cmd.CountryCodes)
	}
	return cmd.print(ctx, p, upstream.Search, q)
}

type reverseCmd struct {
	Lat float64 `arg:"" help:"Latitude in degrees."`
	Lon float64 `arg:"" help:"Longitude in degrees. Write -- before negative numbers."`
	lookupFlags
}

// Run prints the place at a position.
func (cmd *reverseCmd) Run(ctx context.Context, p *Process) error {
	return cmd.print(ctx, p, upstream.Reverse, url.Values{
		"lat": {strconv.FormatFloat(cmd.Lat, 'f', -1, 64)}, "lon": {strconv.FormatFloat(cmd.Lon, 'f', -1, 64)},
	})
}

// lookupTimeout bounds one question from the command line.
const lookupTimeout = 60 * time.Second

// print asks one question and prints the answer; it is errPartly when there is
// no such place.
func (f *lookupFlags) print(ctx context.Context, p *Process, endpoint upstream.Endpoint, query url.Values) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
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
		fmt.Fprintln(p.Stderr, "geogate: nothing found")
		return errPartly
	}
	if f.JSON {
		_, err := fmt.Fprintf(p.Stdout, "%s\n", body)
		return err
	}
	for _, place := range places {
		if _, err := fmt.Fprintf(p.Stdout, "%s,%s\t%s\n", place.Lat, place.Lon, place.DisplayName); err != nil {
			return err
		}
	}
	return nil
}

func (f *lookupFlags) askUpstreams(ctx context.Context, p *Process, endpoint upstream.Endpoint, query url.Values) ([]byte, error) {
	req, err := upstream.Canonical(endpoint, query, f.Language)
	if err != nil {
		return nil, err
	}
	var body []byte
	err = withGeocoding(ctx, p, func(ctx context.Context, g *geocoding) error {
		res, err := g.geocoder.Lookup(ctx, req, upstream.People, cache.Directives{})
		if err != nil {
			return err
		}
		body = res.Body
		if res.Status != http.StatusOK {
			return remote.ReadError(res.Status, res.Body)
		}
		return nil
	})
	return body, err
}

func (f *lookupFlags) askServer(ctx context.Context, _ *Process, endpoint upstream.Endpoint, query url.Values) ([]byte, error) {
	if f.Language != "" {
		query.Set("accept-language", f.Language)
	}
	server := remote.Server{URL: f.Server, UserAgent: userAgent()}
	body, err := server.Get(ctx, "/"+string(endpoint)+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	return body, nil
}

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// A request is one of the mix, as a client writes it.
type request struct {
	target string // path and query
	header http.Header
}

// meaning is what the request asks for.
func (r request) meaning() (string, error) {
	u, err := url.Parse(r.target)
	if err != nil {
		return "", fmt.Errorf("read target: %w", err)
	}
	return meaning(u.Path, u.Query(), r.header), nil
}

const (
	addresses = 2000 // that people search for
	spots     = 400  // where drivers and riders stand
	apps      = 8    // programs, each with its own way of asking
)

// newMix makes n requests of the traffic of a taxi company's apps: seven in ten
// searches, the rest reverse geocodes. Addresses and spots follow Zipf's law.
// What people mean varies less than how their programs write it.
func newMix(seed uint64, n int) []request {
	rng := rand.New(rand.NewPCG(seed, seed))
	address := rand.NewZipf(rng, 1.1, 3, addresses-1)
	spot := rand.NewZipf(rng, 1.2, 2, spots-1)
	mix := make([]request, n)
	for i := range mix {
		id := rng.Uint64N(apps)
		app := rand.New(rand.NewPCG(seed, id+1))
		header := http.Header{"User-Agent": {agents[id%uint64(len(agents))]}}
		var path string
		var params []string
		add := func(name, value string) { params = append(params, name+"="+value) }
		if rng.IntN(10) < 7 {
			path = "/search"
			add("q", spelt(rng, addressName(int(address.Uint64()))))
			searchOptions(app, add)
		} else {
			path = "/reverse"
			lat, lon := position(rng, int(spot.Uint64()))
			add("lat", lat)
			add("lon", lon)
			add("format", "jsonv2")
			if app.IntN(3) == 0 {
				add("zoom", "18")
			}
		}
		speak(rng, add, header)
		if rng.IntN(20) == 0 {
			add("email", "dev"+strconv.Itoa(rng.IntN(5))+"%40example.org")
		}
		if rng.IntN(20) == 0 {
			add("_", strconv.Itoa(rng.IntN(1e9))) // jQuery's cache-buster
		}
		app.Shuffle(len(params), func(a, b int) { params[a], params[b] = params[b], params[a] })
		mix[i] = request{path + "?" + strings.Join(params, "&"), header}
	}
	return mix
}

var agents = []string{"okhttp/4.12.0", "Dart/3.4 (dart:io)", "python-requests/2.32.3", "geopy/2.4.1", "Mozilla/5.0"}

func addressName(i int) string {
	streets := []string{"Äulestrasse", "Rue de l'Église", "Hauptstrasse", "Calle Mayor", "Großgasse", "Avenida Perú", "High Street", "Łąkowa"}
	towns := []string{"Vaduz", "Genève", "Zürich", "Málaga", "Köln", "Ñuñoa", "Leeds", "Łódź"}
	return fmt.Sprintf("%s %d, %s", streets[i%len(streets)], 1+i/len(streets), towns[i/3%len(towns)])
}

// spelt writes an address as one of several keyboards and programs do.
func spelt(rng *rand.Rand, name string) string {
	switch rng.IntN(6) {
	case 0:
		name = strings.ToLower(name)
	case 1:
		name = strings.ToUpper(name)
	case 2:
		name += " "
	case 3:
		name = strings.ReplaceAll(name, ", ", ",  ")
	}
	if rng.IntN(4) == 0 {
		name = norm.NFD.String(name) // as Apple's file systems and some keyboards
	}
	if rng.IntN(2) == 0 {
		return url.PathEscape(name)
	}
	return url.QueryEscape(name)
}

func searchOptions(rng *rand.Rand, add func(name, value string)) {
	if rng.IntN(3) > 0 {
		add("format", "jsonv2")
	}
	switch rng.IntN(4) {
	case 0:
		add("limit", "10")
	case 1:
		add("limit", "1")
	}
	switch rng.IntN(4) {
	case 0:
		add("addressdetails", "1")
	case 1:
		add("addressdetails", "0")
	}
	if rng.IntN(5) == 0 {
		add("dedupe", "1")
	}
	if rng.IntN(8) == 0 {
		add("countrycodes", []string{"li,ch", "ch,li", "CH,LI"}[rng.IntN(3)])
	}
}

// speak asks for a language, in the query or as browsers and phones do.
func speak(rng *rand.Rand, add func(name, value string), header http.Header) {
	switch rng.IntN(6) {
	case 0, 1:
		add("accept-language", "de")
	case 2:
		header.Set("Accept-Language", "de")
	case 3:
		header.Set("Accept-Language", []string{"en-US,en;q=0.9", "en-US, en;q=0.5"}[rng.IntN(2)])
	case 4:
		header.Set("Accept-Language", "es;q=0.9, de-CH, *;q=0.1")
	}
}

// position is where a phone believes it is: at the spot itself when a map has told
// it so, else some metres away; with as many digits as the program's floats have.
func position(rng *rand.Rand, spot int) (lat, lon string) {
	at := [2]float64{47.1 + float64(spot%20)*0.003, 9.5 + float64(spot/20)*0.003}
	if rng.IntN(2) == 0 {
		const metre = 1.0 / 111_320
		at[0] += rng.NormFloat64() * 5 * metre
		at[1] += rng.NormFloat64() * 5 * metre
	}
	digits := []int{7, 8, 15}[rng.IntN(3)]
	return strconv.FormatFloat(at[0], 'f', digits, 64), strconv.FormatFloat(at[1], 'f', digits, 64)
}

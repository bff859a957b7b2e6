package upstreamtest

import (
	"net/http"
	"net/url"
	"strings"
)

// What every stand-in of [NewKind] knows and refuses.
const (
	KnownPoint  = "lat=52.5170365&lon=13.3888599"
	RefusedText = "refuse this"
)

// dialect answers as one kind of geocoder does.
type dialect func(r *http.Request) (status int, body string)

var dialects = map[string]dialect{
	"nominatim":  nil, // New serves it
	"photon":     photon,
	"pelias":     pelias,
	"locationiq": locationIQ,
	"opencage":   openCage,
}

func knowsText(text string) bool { return strings.Contains(strings.ToLower(text), "berl") }

func knowsPoint(q url.Values, lat, lon string) bool {
	return q.Get(lat) == "52.5170365" && q.Get(lon) == "13.3888599"
}

func photon(r *http.Request) (int, string) {
	const none = `{"features":[],"type":"FeatureCollection"}`
	q := r.URL.Query()
	switch r.URL.Path {
	case "/api":
		switch {
		case q.Get("q") == RefusedText:
			return 400, `{"message":"missing search term 'q': /?q=berlin"}`
		case !knowsText(q.Get("q")) || q.Has("countrycode") && q.Get("countrycode") != "DE":
			return 200, none
		}
		return 200, `{"features":[{"geometry":{"coordinates":[13.3888599,52.5170365],"type":"Point"},"type":"Feature",` +
			`"properties":{"osm_type":"R","osm_id":62422,"extent":[13.088345,52.6755087,13.7611609,52.3382448],` +
			`"country":"Germany","osm_key":"place","countrycode":"DE","osm_value":"city","name":"Berlin","type":"city"}},` +
			`{"geometry":{"coordinates":[13.239515,52.514679],"type":"Point"},"type":"Feature",` +
			`"properties":{"osm_type":"W","osm_id":38862723,"country":"Germany","osm_key":"leisure","city":"Berlin",` +
			`"countrycode":"DE","street":"Olympischer Platz","housenumber":"3","postcode":"14053","district":"Westend",` +
			`"osm_value":"stadium","name":"Olympiastadion Berlin","type":"house"}}],"type":"FeatureCollection"}`
	case "/reverse":
		if !knowsPoint(q, "lat", "lon") {
			return 200, none
		}
		if q.Get("layer") == "country" {
			return 200, `{"features":[{"geometry":{"coordinates":[10.4478313,51.1638175],"type":"Point"},"type":"Feature",` +
				`"properties":{"osm_type":"R","osm_id":51477,"osm_key":"place","countrycode":"DE","osm_value":"country",` +
				`"name":"Germany","type":"country"}}],"type":"FeatureCollection"}`
		}
		return 200, `{"features":[{"geometry":{"coordinates":[13.3888,52.517],"type":"Point"},"type":"Feature",` +
			`"properties":{"osm_type":"N","osm_id":2862061,"country":"Germany","osm_key":"building","city":"Berlin",` +
			`"countrycode":"DE","postcode":"10117","osm_value":"yes","district":"Mitte","street":"Unter den Linden",` +
			`"housenumber":"21","type":"house"}}],"type":"FeatureCollection"}`
	}
	return 404, `{"message":"not found"}`
}

func pelias(r *http.Request) (int, string) {
	const head = `{"geocoding":{"version":"0.2","attribution":"/attribution","query":{},"engine":{"name":"Pelias"}},"type":"FeatureCollection","features":[`
	q := r.URL.Query()
	switch r.URL.Path {
	case "/v1/search", "/v1/search/structured", "/v1/autocomplete":
		switch {
		case q.Get("text") == RefusedText:
			return 400, `{"geocoding":{"errors":["invalid param 'text': text length, must be >0"]},"type":"FeatureCollection","features":[]}`
		case !knowsText(q.Get("text") + q.Get("locality")):
			return 200, head + `]}`
		}
		return 200, head + `{"type":"Feature","geometry":{"type":"Point","coordinates":[13.407032,52.524932]},` +
			`"properties":{"id":"101909779","gid":"whosonfirst:locality:101909779","layer":"locality","source":"whosonfirst",` +
			`"source_id":"101909779","name":"Berlin","confidence":1,"accuracy":"centroid","country":"Germany","country_a":"DEU",` +
			`"region":"Berlin","locality":"Berlin","label":"Berlin, Germany"},"bbox":[13.088333,52.338261,13.761131,52.675509]}]}`
	case "/v1/reverse":
		if !knowsPoint(q, "point.lat", "point.lon") {
			return 200, head + `]}`
		}
		if q.Get("layers") == "country" {
			return 200, head + `{"type":"Feature","geometry":{"type":"Point","coordinates":[10.4,51.1]},` +
				`"properties":{"layer":"country","source":"whosonfirst","source_id":"85633111","name":"Germany",` +
				`"country":"Germany","country_a":"DEU","label":"Germany"}}]}`
		}
		return 200, head + `{"type":"Feature","geometry":{"type":"Point","coordinates":[13.3888,52.517]},` +
			`"properties":{"id":"node/2862061","gid":"openstreetmap:address:node/2862061","layer":"address",` +
			`"source":"openstreetmap","source_id":"node/2862061","name":"Unter den Linden 21","housenumber":"21",` +
			`"street":"Unter den Linden","postalcode":"10117","confidence":1,"distance":0.004,"country":"Germany",` +
			`"country_a":"DEU","region":"Berlin","locality":"Berlin","neighbourhood":"Mitte",` +
			`"label":"Unter den Linden 21, Berlin, Germany"}}]}`
	}
	return 404, `{"geocoding":{"errors":["not found: invalid path"]}}`
}

// needsKey is how the stand-ins of paid services treat a request without the
// key that the tests use.
const needsKey = "k"

func locationIQ(r *http.Request) (int, string) {
	const house = `{"place_id":"331572402","licence":"https://locationiq.com/attribution","osm_type":"node","osm_id":"2862061",` +
		`"lat":"52.517","lon":"13.3888","display_name":"21, Unter den Linden, Mitte, Berlin, 10117, Germany",` +
		`"address":{"house_number":"21","road":"Unter den Linden","suburb":"Mitte","city":"Berlin","postcode":"10117",` +
		`"country":"Germany","country_code":"de"},"boundingbox":["52.5169","52.5171","13.3887","13.3889"]}`
	const country = `{"place_id":"331600000","licence":"https://locationiq.com/attribution","osm_type":"relation","osm_id":"51477",` +
		`"lat":"51.1638175","lon":"10.4478313","display_name":"Germany","address":{"country":"Germany","country_code":"de"},` +
		`"boundingbox":["47.2","55.1","5.8","15.1"]}`
	q := r.URL.Query()
	switch {
	case q.Get("key") != needsKey:
		return 401, `{"error":"Invalid key"}`
	case q.Get("q") == RefusedText:
		return 400, `{"error":"Invalid Request"}`
	case r.URL.Path == "/reverse" && knowsPoint(q, "lat", "lon") && q.Get("zoom") == "3":
		return 200, country
	case r.URL.Path == "/reverse" && knowsPoint(q, "lat", "lon"):
		return 200, house
	case strings.HasPrefix(r.URL.Path, "/search") && knowsText(q.Get("q")+q.Get("city")):
		return 200, `[{"place_id":"331510030","licence":"https://locationiq.com/attribution","osm_type":"relation","osm_id":"62422",` +
			`"boundingbox":["52.3382448","52.6755087","13.088345","13.7611609"],"lat":"52.5170365","lon":"13.3888599",` +
			`"display_name":"Berlin, Germany","class":"boundary","type":"administrative","importance":0.8522,` +
			`"icon":"https://locationiq.org/static/images/mapicons/poi_boundary_administrative.p.20.png",` +
			`"address":{"city":"Berlin","country":"Germany","country_code":"de"}}]`
	}
	return 404, `{"error":"Unable to geocode"}`
}

func openCage(r *http.Request) (int, string) {
	const tail = `"status":{"code":200,"message":"OK"},"thanks":"For using an OpenCage API","timestamp":{"created_unix":1700000000}}`
	q := r.URL.Query()
	text := q.Get("q")
	switch {
	case r.URL.Path != "/json":
		return 404, `{"status":{"code":404,"message":"invalid API endpoint"}}`
	case q.Get("key") != needsKey:
		return 401, `{"results":[],"status":{"code":401,"message":"invalid API key"},"total_results":0}`
	case text == RefusedText:
		return 400, `{"results":[],"status":{"code":400,"message":"invalid request"},"total_results":0}`
	case text == "52.5170365,13.3888599":
		return 200, `{"licenses":[],"results":[{"bounds":{"northeast":{"lat":52.5171,"lng":13.3889},"southwest":{"lat":52.5169,"lng":13.3887}},` +
			`"components":{"ISO_3166-1_alpha-2":"DE","_category":"building","_type":"building","_normalized_city":"Berlin",` +
			`"city":"Berlin","continent":"Europe","country":"Germany","country_code":"de","house_number":"21","postcode":"10117",` +
			`"road":"Unter den Linden","suburb":"Mitte","political_union":"European Union"},"confidence":10,` +
			`"formatted":"Unter den Linden 21, 10117 Berlin, Germany","geometry":{"lat":52.517,"lng":13.3888}}],"total_results":1,` + tail
	case knowsText(text):
		return 200, `{"licenses":[],"results":[{"bounds":{"northeast":{"lat":52.6755087,"lng":13.7611609},"southwest":{"lat":52.3382448,"lng":13.088345}},` +
			`"components":{"ISO_3166-1_alpha-2":"DE","_category":"place","_type":"city","city":"Berlin","country":"Germany",` +
			`"country_code":"de","ISO_3166-2":["DE-BE"]},"confidence":2,"formatted":"Berlin, Germany",` +
			`"geometry":{"lat":52.5170365,"lng":13.3888599}}],"total_results":1,` + tail
	}
	return 200, `{"licenses":[],"results":[],"total_results":0,` + tail
}

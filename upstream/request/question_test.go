package request

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"geogate/internal/geo"
	"geogate/internal/place"
)

// question returns what a request asks for, and the mistake in it.
func question(t *testing.T, ep Endpoint, raw string) (*Question, string) {
	t.Helper()
	r, err := Canonical(ep, ParseQuery(raw), "")
	if err != nil {
		t.Fatalf("Canonical(%s?%s): %v", ep, raw, err)
	}
	if m := r.Mistake(); m != nil {
		return r.Question(), m.Message
	}
	return r.Question(), ""
}

func TestQuestion(t *testing.T) {
	vaduz := geo.Point{Lat: 47.14, Lon: 9.52}
	tests := []struct {
		name string
		ep   Endpoint
		raw  string
		want Question
	}{
		{"free text", Search, "q=++Bad++W%C3%96rishofen", Question{Text: "bad wörishofen", flags: Dedupe}},
		{"text of xml as it came", Search, "q=+Vaduz+&format=xml", Question{Text: " Vaduz ", flags: Dedupe}},
		{"fields", Search, "city=Vaduz&country=li&street=", Question{
			fields: []fieldValue{{City, "vaduz"}, {Country, "li"}}, flags: Dedupe}},
		{"coordinates", Search, "q=47.14,9.52", Question{Text: "47.14,9.52", Reverse: true, Point: vaduz, flags: Dedupe}},
		{"coordinates with letters", Search, "q=S+47.14+W+9.52", Question{
			Text: "S 47.14 W 9.52", Reverse: true, Point: geo.Point{Lat: -47.14, Lon: -9.52}, flags: Dedupe}},
		{"coordinates in xml", Search, "q=+47.14,+9.52+&format=xml", Question{
			Text: " 47.14, 9.52 ", Reverse: true, Point: vaduz, flags: Dedupe}},
		{"coordinates and more", Search, "q=cafe+47.14,9.52", Question{Text: "cafe 47.14,9.52", flags: Dedupe}},
		{"coordinates off the globe", Search, "q=91.0,9.52", Question{Text: "91.0,9.52", flags: Dedupe}},
		{"everything about it", Search, "q=x&limit=99&countrycodes=LI,at,at&viewbox=9.7,47.30,9.4,47&bounded=1" +
			"&dedupe=0&extratags=1&namedetails=yes&featureType=city&exclude_place_ids=+1,,N2&layer=poi", Question{
			Text: "x", Limit: 50, Countries: []string{"at", "li"}, FeatureType: "city", Excluded: []string{"1", "N2"},
			Viewbox: &place.Box{South: 47, West: 9.4, North: 47.3, East: 9.7}, flags: Bounded | ExtraTags | NameDetails}},
		{"corners as they are sent", Search, "q=x&viewbox=9.40000004,47,9.7,47.3", Question{
			Text: "x", Viewbox: &place.Box{South: 47, West: 9.4, North: 47.3, East: 9.7}, flags: Dedupe}},
		{"layers", Search, "q=x&layer=Poi,natural", Question{Text: "x", layers: []string{"natural", "poi"}, flags: Dedupe}},
		{"reverse", Reverse, "lat=47.14&lon=9.52", Question{Reverse: true, Point: vaduz, flags: AddressDetails}},
		{"point as it is sent", Reverse, "lat=47.14000004&lon=9.52&zoom=3&addressdetails=0&format=json", Question{
			Reverse: true, Point: vaduz, Zoom: 3}},
		{"zoom of xml as it came", Reverse, "lat=47.14&lon=9.52&zoom=+99", Question{
			Reverse: true, Point: vaduz, zoomText: " 99", flags: AddressDetails}},
		{"details", Details, "place_id=7&debug=1", Question{PlaceID: 7, flags: LinkedPlaces | Debug}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Limit == 0 {
				tt.want.Limit = 10
			}
			if tt.want.Zoom == 0 {
				tt.want.Zoom = 18
			}
			got, wrong := question(t, tt.ep, tt.raw)
			if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(Question{}, fieldValue{})); diff != "" || wrong != "" {
				t.Errorf("%s?%s (-want +got):\n%s\nmistake %q", tt.ep, tt.raw, diff, wrong)
			}
		})
	}
}

func TestQuestionWords(t *testing.T) {
	for raw, want := range map[string]string{
		"q=x": "x", "q=": "", "country=li&city=Vaduz": "vaduz, li", "city=Vaduz&format=xml": "Vaduz", "street=a&city=": "a",
	} {
		if q, _ := question(t, Search, raw); q.Words() != want {
			t.Errorf("Words of %q = %q, want %q", raw, q.Words(), want)
		}
	}
}

func TestMistake(t *testing.T) {
	const (
		outlines = "Too many polygon output options selected."
		nothing  = "Nothing to search for."
	)
	tests := []struct {
		ep        Endpoint
		raw, want string
	}{
		{Search, "q=x", ""},
		{Search, "q=", ""},
		{Search, "q=&viewbox=1", ""},
		{Search, "q=+&viewbox=1", nothing},
		{Search, "", nothing},
		{Search, "q=x&city=y", "Structured query parameters(amenity, street, city, county, state, postalcode, country)" +
			" cannot be used together with 'q' parameter."},
		{Search, "q=x&limit=abc", "Parameter 'limit' must be a number."},
		{Search, "q=&limit=abc", "Parameter 'limit' must be a number."},
		{Search, "limit=1.5&polygon_kml=1&polygon_svg=1", outlines},
		{Search, "q=x&polygon_kml=1&polygon_svg=1&format=geojson", ""},
		{Search, "q=x&polygon_threshold=a", "Parameter 'polygon_threshold' must be a number."},
		{Search, "q=x&viewbox=1,2,3", "Bounding box parameter needs 4 coordinates."},
		{Search, "q=x&viewbox=1,2,3,4,5", "Bounding box parameter needs 4 coordinates."},
		{Search, "q=x&viewbox=1,2,3,a", "Bounding box parameter needs to be numbers."},
		{Search, "q=x&viewbox=1,2,1,2", "Bounding box with invalid parameters."},
		{Search, "q=x&format=JSON&limit=a", "Parameter 'format' must be one of: xml, geojson, geocodejson, json, jsonv2"},
		{Reverse, "", "Parameter 'lon' missing."},
		{Reverse, "lon=1", "Parameter 'lat' missing."},
		{Reverse, "lat=NaN&lon=0x1", "Parameter 'lon' must be a number."},
		{Reverse, "lat=47,14&lon=1&zoom=a&polygon_kml=1&polygon_svg=1", "Parameter 'lat' must be a number."},
		{Reverse, "lat=1&lon=1&zoom=a", "Parameter 'zoom' must be a number."},
		{Details, "place_id=a", "Parameter 'place_id' must be a number."},
		{Details, "", "Missing ID parameter 'place_id' or 'osmtype'."},
		{Details, "osmtype=N", "Parameter 'osmid' missing."},
		{Details, "osmtype=N&osmid=a", "Parameter 'osmid' must be a number."},
		{Details, "place_id=1", ""},
	}
	for _, tt := range tests {
		if _, got := question(t, tt.ep, tt.raw); got != tt.want {
			t.Errorf("mistake in %s?%s: %q, want %q", tt.ep, tt.raw, got, tt.want)
		}
	}
}

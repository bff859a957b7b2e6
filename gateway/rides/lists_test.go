package rides_test

import (
	"slices"
	"strings"
	"testing"

	"geogate/gateway/gatewaytest"
)

type listBody struct {
	Requests []struct {
		RequestID string `json:"request_id"`
		State     string
	}
	Drivers []struct{ ID string }
	Next    *string
}

func TestListsByPages(t *testing.T) {
	f := gatewaytest.New(t)
	f.Do(t, "POST /tracking", `[{"id":"1","lat":1,"lng":1},{"id":"2","lat":2,"lng":2},{"id":"3","lat":3,"lng":3}]`)
	var made []string
	for range 3 {
		var ride gatewaytest.Ride
		f.Do(t, "POST /v2/search", `{"lat":1,"lng":1,"rider_id":"ann"}`).JSON(t, &ride)
		made = append(made, ride.RequestID)
	}
	follow := func(target string) (ids []string) {
		t.Helper()
		after := ""
		for range 10 {
			var page listBody
			got := f.Do(t, "GET "+target+after, "")
			if got.StatusCode != 200 || !strings.Contains(got.Text, `"next":`) {
				t.Fatalf("GET %s = %d %s", target+after, got.StatusCode, got.Text)
			}
			got.JSON(t, &page)
			for _, r := range page.Requests {
				ids = append(ids, r.RequestID)
			}
			for _, d := range page.Drivers {
				ids = append(ids, d.ID)
			}
			if page.Next == nil {
				return ids
			}
			after = "&after=" + *page.Next
		}
		t.Fatalf("%s has no end", target)
		return nil
	}
	for target, want := range map[string][]string{
		"/v2/requests?limit=2":                             made,
		"/v2/requests?limit=1&rider=ann":                   made,
		"/v2/requests?limit=1&driver=1":                    made[:1],
		"/v2/requests?limit=1&state=matched,searching":     made,
		"/v2/requests?limit=1&state=searching":             made[1:],
		"/v2/requests?state=completed&region=default":      nil,
		"/v2/drivers?limit=2":                              {"1", "2", "3"},
		"/v2/drivers?limit=1&state=busy":                   {"1"},
		"/v2/drivers?limit=1&bbox=1.5,1.5,3,3":             {"2", "3"},
		"/v2/drivers?limit=1&state=available&bbox=0,0,2,2": {"2"},
	} {
		got := follow(target)
		slices.Sort(got)
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			t.Errorf("GET %s: %q, want %q", target, got, want)
		}
	}
	empty := f.Do(t, "GET /v2/requests?state=expired", "")
	if strings.TrimSpace(empty.Text) != `{"requests":[],"next":null}` {
		t.Errorf("an empty list is %s", empty.Text)
	}
}

func TestListsRefuse(t *testing.T) {
	f := gatewaytest.New(t)
	for target, code := range map[string]string{
		"/v2/requests?state=lost":     "invalid_state",
		"/v2/requests?state=":         "invalid_state",
		"/v2/requests?state=matched,": "invalid_state",
		"/v2/requests?limit=0":        "invalid_limit",
		"/v2/requests?limit=101":      "invalid_limit",
		"/v2/requests?after=x":        "invalid_cursor",
		"/v2/requests?region=nowhere": "unknown_region",
		"/v2/requests?driver=%01":     "invalid_id",
		"/v2/requests?sort=id":        "unknown_parameter",
		"/v2/drivers?state=lost":      "invalid_state",
		"/v2/drivers?bbox=":           "missing_bbox",
		"/v2/drivers?bbox=1,2,3":      "invalid_bbox",
		"/v2/drivers?bbox=1,2,3,1":    "invalid_bbox",
		"/v2/drivers?limit=many":      "invalid_limit",
		"/v2/drivers?after=%21":       "invalid_cursor",
		"/v2/drivers?region=default":  "unknown_parameter",
		"/v2/drivers?state=a&state=b": "repeated_parameter",
	} {
		var p gatewaytest.Problem
		got := f.Do(t, "GET "+target, "")
		if got.JSON(t, &p); got.StatusCode != 400 || p.Code != code {
			t.Errorf("GET %s = %d %s, want 400 %s", target, got.StatusCode, got.Text, code)
		}
	}
}

package exchange

import "testing"

func TestAcceptsGzip(t *testing.T) {
	for field, want := range map[string]bool{
		"gzip": true, "*": true, "br, gzip;q=0.5": true, "GZIP": true, "identity;q=1, *;q=0": false,
		"": false, "br": false, "gzip;q=0": false, "*;q=0, gzip": true,
		"*, gzip;q=0": false, "gzip;q=0, *": false, "*;q=0.1,gzip; q=0.000": false,
	} {
		if got := AcceptsGzip([]string{field}); got != want {
			t.Errorf("AcceptsGzip(%q) = %t, want %t", field, got, want)
		}
	}
}

package config

import (
	"errors"
	"strings"
	"testing"
)

// Any environment is read or refused with the names of its variables.
func FuzzLoad(f *testing.F) {
	f.Add("RATE_LIMIT", "600/1m")
	f.Add("CACHE_MEMORY", "99999999999999999999GiB")
	f.Add("REVERSE_CELLS", "10=500,18=30")
	f.Add("DISPATCH_RADII_KM", "1,2,NaN")
	f.Add("WEBHOOK_ALLOW_CIDRS", "10.0.0.0/8,x")
	f.Add("CORS_ORIGINS", "https://[::1")
	f.Add("TRUSTED_PROXIES", "-1")
	f.Fuzz(func(t *testing.T, name, value string) {
		_, err := Load(func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		}, nil)
		var all *Error
		if err == nil {
			return
		}
		if !errors.As(err, &all) || len(all.Problems) == 0 || !strings.HasPrefix(all.Problems[0], name) {
			t.Errorf("%s=%q: %v, want problems of that variable", name, value, err)
		}
	})
}
